// Package dynamo keeps everything in one DynamoDB table. [Store] is [invitation.Store], [due.Index],
// [recipient.Ledger], [relationship.Store], [customer.Store], [customer.Register], [customer.Directory], [terms.Catalogue], [batch.Store], [granular.Store], [partnership.Store], [commerce.AgreementStore], [commerce.OrderStore], [commerce.SubscriptionStore], [audit.Log], [registry.Store], [registry.ReputationStore], [enrolment.Store], [webhook.Store], [customer.Requests] and [enrolment.RecordStore]; keys.go makes every key, and each kind of item has a file.
//
// # Rules
//
// Every write has a condition. A version is written over the version before it, by UpdateItem with the attributes that
// changed, so that attributes which this code does not know survive it. What belongs together is one TransactWriteItems,
// and where its conditions fail, the reason at place i is the answer about item i: no read follows. An attempt whose answer
// was lost is found out by what the next attempt's condition meets (one item) or by the SDK's request token (transactions).
// Contention and throttling are tried six times within a second, then the answer is problem.Unavailable.
//
// An item says its type and holds no token and no link. Invitations and relationships have no TTL: they are evidence, and when
// they may be purged is a rule of its own that is not written yet. What the ledger counts has one, some days after its time, and so
// has the empty item that words leave when they are taken back. An audit record has the end of its retention. TTL only purges: no rule asks whether an item is still there.
//
// Attribute values are written and read by hand: no reflection at start, and one checked function,
// [InvitationFromImage], for items and stream images alike.
//
// # Access patterns, those to come included
//
//	by                                    answer                                                      layout
//	invitation's id (API, link, SES tag)  GetItem: a link and a tag carry inviter and id              P#<inviter> I#<id>
//	Idempotency-Key of a create           GetItem: the id is derived from the key                     no item
//	open one for kind and recipient       condition on a slot                                         D#<domain's hash> S#<inviter>#<slot>
//	open one for kind and customer        condition on a slot                                         P#<inviter> S#<slot>
//	what a company is asked, by domain    Query, whoever asks, BatchGetItem                           D#<domain's hash>, index served
//	what it is asked by its tenant        Query of index served, BatchGetItem                         index served, sparse
//	partner's invitations, newest first   Query of index list, BatchGetItem of the page               index list
//	  of a status, address, customer …    the same, filtered within a bounded page
//	what is due                           Query of index due, four shards, up to now                  index due, sparse
//	partner's customers, newest first     Query of index list, BatchGetItem of the page               index list
//	one of them                           GetItem                                                     P#<partner> C#<customer>
//	partner account                       GetItem                                                     P#<tenant> A
//	all accounts, newest first            Query of the registry, BatchGetItem of the page             PARTNERS <created>#<tenant>
//	what was said of mails, in a week     one Query: hours follow the count of their day              P#<partner> Q#<day>#<hour>
//	both tiers of one customer            GetItem in each partner's partition; a dual acceptance      P#<reseller> C#…, P#<provider> C#…
//	                                      is one transaction of three items
//	partnership, from both sides          GetItem: the id is derived from the pair; Query in each     P#<provider> W#<id>, P#<reseller> W#<id>
//	                                      partition; two items, one transaction
//	customers shared with a provider      the list of one's own, BatchGetItem of the other side's
//	resellers of a customer, for its      Query W# and BatchGetItem of their C#<customer>
//	  provider
//	webhook endpoints of a partner        Query, strong                                              P#<partner> F#
//	deliveries to an endpoint            Query, strong: on their way, then ended, newest first      P#<partner> Y#<endpoint id>#
//	batch and its rows                    GetItem of each: the head says where its chunks begin       P#<inviter> B#<id>, B#<id>#<body>#<row>
//	customers that invitations name or    Query of index list by the newest trace, and what speaks of  index list
//	  who gave GDAP, newest first         each of the page
//	invitations that name a customer      Query of the slots that begin with it                        P#<inviter> S#C#<customer>#…
//	relationships of a customer           Query of index served, GetItem of each                      index served
//	GDAP that a customer has given, over  the same Query, GetItem of each
//	  all partners
//	who created a customer; what a key    condition on a claim; GetItem                               T#<customer> C, P#<partner> K#<key>
//	  made
//	texts to attest and sign, of a type   Query                                                       TEXTS <type>#<version>#<language>
//	edited draft, without its link        GetItem                                                     P#<inviter> D#<id>
//	GDAP by id, of a partner, by end      GetItem; Query of index list, BatchGetItem; index due       P#<partner> G#<id>
//	GDAP that customers have given        one strong Query of a range of customers: small items       P#<partner> H#<customer>#<id>
//	customer agreements                   strong Query of each source                                 T#<customer> M#-#…, M#<partner>#…
//	may it be bought                      GetItem per fact; the relationship says that was signed
//	whom a company is asked by            GetItem; index due by the next half year                    T#<customer> R#
//	order; subscription                   GetItem                                                     P#<seller> O#<customer>#<id>, U#…
//	those of a customer, newest first     Query of index list, BatchGetItem of the page               index list
//	subscriptions over all customers,     Query of index list, BatchGetItem of the page and of     index list
//	  by customer, newest first           what pointers of the page point to
//	subscriptions on record for           GetItem of a pointer, GetItem of what it points to          P#<reseller> U#<customer>#<id>
//	is anything active that was sold      part of the relationship                                    P#<seller> C#<customer>
//	whose a PartnerID is                  GetItem                                                     PARTNERID#<id> A
//	audit of a partner by time            strong Query, time first in the key; from the stream        P#<tenant> L#<time>#<id>
//	enrolment; those under vetting        GetItem; index due by review date                           P#<tenant> E#<id>
//	partner's quota of a day              UpdateItem with the limit as its condition                  P#<partner> Q#<day>
//	recipient's quota; suppression        GetItem by a hash of the address                            N#<hash> M, …
//
// # Why this layout
//
// Write units of one invitation (items under 1 KB; a transaction counts an item twice and an index entry once; moving
// an index entry is two):
//
//	                                          create  send to sent  accept  expire  whole
//	this one                                       5             8       6       2     19
//	natural key: the slot is the sort key          2             8       6       2     16, but see 1
//	ordered: creation time in the sort key         6             8       6       2     20, see 2
//	list by a local secondary index                5             8       6       2     19, see 3
//	relationship folded into the invitation        5             8       3       2     16, see 4
//	an item per transition                         7            19       8       5     34, see 5
//
// Beside them, and alike in each, an acceptance owes receipts and enters the relationship into index served, and the
// first answer of a company says whose its domains are: one unit each. Whom the company is asked by to look at who holds rights
// (domain, 0.49) is noted once in its life, at its first acceptance: two units, one of them of the due index. It is
// an item of its own, in the partition of the tenant: in the relationship it would be there for each partner, with an
// entry of the due index each; in the transaction of the answer it would cost three. It is written before the answer, as the domains are. Afterwards an answer
// reads it for half a unit, and each half year costs 7 units and a mail.
//
// What speaks against the others:
//
//  1. A draft's recipient can be changed, and an id must be random and stable: each change of recipient moves the item
//     (delete, put and a forwarding item: 6 units), an ended invitation moves aside when the recipient is invited again (6),
//     and a key that comes back with another body is found only through an item for the key, which makes a
//     create cost 5 again.
//  2. Saves the list's index. Public ids leak no time, so an id needs an item of its own to be found by (2 more units in
//     the transaction), or an index, which is a moment behind, or a cipher whose key can never change.
//  3. Reads strongly; but binds all that a partner has to 10 GB and to one physical partition for good.
//  4. There is one relationship for a partner and a customer (invariant 2), whichever invitation made it, and one that no
//     invitation made: the list of customers would be an index over invitations, with as many entries of a customer as it accepted.
//  5. Gives the audit for free, and it is not worth 13 units: the timeline is in the item (architecture, decision 3) and the
//     audit is projected from the stream.
//
// A slot is never given back. Accepting, declining, cancelling and expiring would each write one more item; instead who
// comes next displaces the holder that has ended, by a condition on the holder it has read. A create without recipient or
// customer takes no slot and is one PutItem of 2 units. A draft is in no due index: nobody waits for its end, and the entry
// would cost one unit at create and one at send.
//
// # Words and quotas
//
// To edit a draft or to take its words back is one transaction of two items, 4 units and 2 more for each further KB of words; so the
// many versions of an invitation that follow do not carry them along. The version of the invitation decides who was quicker. Words
// are taken back by writing an empty item: no function needs the permission to delete.
//
// Of the 8 units of sending, 2 are the quotas: one for the day of the partner, one for the mailings of the recipient. They stand
// before the write of the invitation and not in a transaction with it, which would cost 4 more, and would have all mails of a partner
// contend for its day. What a crash in between leaves is a mail that was counted and not sent; the next attempt finds it in the
// recipient's item, by invitation and generation, and counts nothing. The item of a recipient is in a partition of its own, because it
// is the one thing that all partners share, and stays within one unit for what three partners may send in 24 hours.
//
// # Requests of a company
//
// A company finds on its own page what it is asked, by whichever partner. Nearly all requests go to an address and name no tenant:
// their slot, which is written at create in any case, is in a partition of the domain (a hash of it) and not of the partner, and
// begins with the partner there. So both are one query of one partition: all that is asked at a domain, read by its company, and what
// one partner asks there, as the sweep of moot requests needs it. It costs nothing: create stays at 5. An attribute by which the slot is in index
// served too would cost a unit for each invitation ever created; so would an item that says it.
//
// A partition of a domain takes 1,000 write units a second, 500 creates. A company's is far from that; at a webmail provider it would be
// reached by batches of a dozen partners at once, and splits by partner, since nothing here has a local index. No company reads that one: webmail domains are
// nobody's (rule E11).
//
// A request that names its customer by the tenant keeps its slot in the partner's partition, for its entry in index
// list says whom the partner knows; index served gets one of it: create costs 7 and not 6. A request for granular
// administration enters index served when it is locked, and leaves it when it is approved, for what was given is
// found by its small item: 2 units in the life of such a relationship. It is there under the tenant that it names,
// or the domain that it was mailed to, or else under its own id, by which a program leads its customer to it.
//
// Slots are not given back, so that a company also finds requests that have ended, and reads them to leave them out.
//
// # Accounts and reputations
//
// Every request reads an account, by its tenant; only the operator lists them. So an account has a second item of keys alone, which
// is written once, with it: 2 units more for each account ever made, none for any change, and a list that every write is in. Against
// it: an index would be a moment behind and cost a unit at each change, or hold keys only and be read like the registry; the due
// index would do it for one unit, and would no longer be of what is due; copies of states in the registry would make each change, the
// pause by a complaint among them, a transaction of two items for the sake of a filter that looks at some hundreds of accounts.
// All of the registry is one partition: it is written when an account is made. A page of 25 reads 26 units, strongly.
//
// An account carries its newest 15 changes and stays below 4 KB, so that everybody else reads it for half a unit.
//
// What is said against a mail is noted by one conditional UpdateItem of 1 unit, as an attribute that is named after the invitation: it is
// there once, however often SES tells of it. Whether that was one too many is found by one strong Query of a week, 1 unit for the
// usual partner. In the item that counts the day it would make each mail of that day dearer; in one item for the day,
// a tenth of the mails of the busiest partner would come near the 400 KB of an item, and every note would cost what the item weighs.
//
// # Buying
//
// An order is one transaction with its subscriptions and the relationship under which it is placed: 4 units of the table and 2 for
// each line, one of the list for each item. Half of what it costs beside its own items is the relationship, and is what keeps an
// order and the end of the relationship from passing each other (domain, 0.6): both write the item that says how much is active. The same
// numbers answer whether the partner administers Azure alone (rule P8), so that a page of customers reads no subscription. A
// counter of its own would cost the same; a condition on it, in the removal, one unit more.
//
// That an agreement was signed is said by the relationship of the partner that attests it or brought it, so that a purchase asks
// for no record of it. What a customer signed with another partner is found by the first number of its own signatures: 12.5
// units more for a page of 25 customers that signed with nobody else. Numbers count up and are taken by a condition: two that say
// the same at once meet, and nothing has to be locked.
//
// A reseller finds what it is on record for by a pointer, 1 unit when it is put on record. It is not taken back, which would ask for the
// permission to delete: the subscription says whose it is, and who is not on record is told that there is none.
//
// A page of subscriptions over all customers is read in the order of customers, which is that of the index, so that it
// needs no entry of its own. What may be done with each asks of every customer of the page for its relationship, in one
// batch, and where that delegates nothing, for what it has granted, one by one: 76.5 units for 25 customers that have
// granted nothing. What another sold, who supports it, and each grant are one more.
//
// A subscription has 660 bytes and 100 more for each change that it remembers, of which there are 20.
//
// # What each index costs
//
// Index list: one unit at create and never again, because its entries hold keys only and creation does not change. A page of
// 25 is half a read unit of the index and 12.5 of the table; an index with the whole items would save 11 of them and add a
// unit to each of the four writes that follow. A relationship enters it when it begins, by when it was established: one unit then, two when
// it has ended and comes back, none for anything else that happens to it. For that unit customers are listed newest first with the cost of
// a page however many there are; in the table they stand by their tenant, so that the newest would be found by reading all. The list may be
// a moment behind; a customer read by its id is not.
//
// Partnerships are listed as their ids stand in the table and not by when they began. To be in this index would cost a
// unit for each side; what decides is that the list of partnerships is read strongly, so that who has accepted before
// the call is in it, which no global index can promise, and that a partnership which an earlier version wrote would be
// in no list until somebody changes it.
//
// Who is known without a relationship stands there too, by the newest trace: an invitation that names a customer enters with its slot, the
// slot leaves for the next invitation that takes it, and what a customer gives by granular administration with its small item: one unit each.
// The entries say the place and the customer, and what speaks of it is read one by one: four reads for each of a page.
//
// Index served: one unit when a relationship begins and never again, one when a customer approves granular administration, and those of requests that
// name their customer (above); its entries hold
// keys only. What was given leaves it with its small item, a month after its end. The relationship itself is moved by every mail and
// reminder, and would stay for ever. It answers whom a customer deals with, which
// is in the partitions of as many partners. An item in the customer's own partition that names them would be strongly readable, and make
// every first acceptance 2 units dearer in place of 1. Two partners that create the same customer at once are told apart by a
// claim in the customer's partition, which only creating writes.
//
// Index due: entering one, moving two, leaving one. Queued, sent and answered, an invitation pays 4 of its 19 units here; a
// claim leaves the entry where it is. A run of the cleanup reads half a unit per shard when nothing is due.
//
// DynamoDB's documentation does not say whether a transaction doubles index entries too. The default engine counts them
// once, as its maintainers measured it at AWS; DynamoDB Local counts them twice, and then create is 6, accept 6 and the whole
// 20. TestCost pins the figures of the default engine.
//
// # Throughput of one partner
//
// A physical partition takes 1,000 write units a second. Until its mail is sent an invitation writes 6 units in its
// partner's partition of the table (create 2, count, send, claim and sent 1 each), 2 in that of the domain, one in
// that of the list, and a moment later 4 audit records (created, sent, mailed, delivered). Two batches at a time,
// each paced at 40 invitations a second, stay at 800, a tenth of it on the one item that counts its day. Without a
// local index DynamoDB splits a partition that stays hot: random ids spread over the halves, and audit records,
// whose keys go with the time, stay together in one. Where they are throttled the stream waits and nobody else does.
// The due index takes 3 units per mail on four shards: 1,300 mails a second, of all partners together; more shards
// are a constant in keys.go, each at half a read unit per run.
//
// # Sizes
//
// A write costs a unit per 1,024 bytes. A typical invitation with tags has 430 bytes when created, 610 when sent and 830
// when accepted, so that even its answer is one unit; with every field at its limit 3.6, 3.8 and 5.3 KB. An entry of the timeline
// has at most 120 bytes, apart from a reason that a user gave.
package dynamo
