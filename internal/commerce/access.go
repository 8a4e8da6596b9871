package commerce

// AccessLevel says what a provider does so that its reseller gets an access.
type AccessLevel struct {
	ID    string // a word that does not change
	Want  string
	Do    string
	Where string
}

// AccessLevels is the table of the ways to give a reseller access (domain, 1.7; rules N9, B4 to B6).
func AccessLevels() []AccessLevel {
	return []AccessLevel{
		{
			"administerCustomer", "The reseller manages the customer's account, with administration of its subscriptions.",
			"Associate the reseller with the customer's account when you add the customer.", "Add customer",
		},
		{
			"administerAzureCustomer", "The reseller manages the account of an Azure customer.",
			"Associate the reseller with the customer's account when you add it, and change the default permissions of the reseller's users.", "Microsoft Entra admin center, user settings",
		},
		{
			"incentive", "The reseller gets the incentive credit.",
			"Put the reseller's PartnerID on record, on a new subscription or an existing one.", "New subscription, or the details of the subscription",
		},
		{
			"support", "The reseller supports the customer with a subscription.",
			"Choose the reseller as the assigned support contact.", "Details of the subscription",
		},
	}
}
