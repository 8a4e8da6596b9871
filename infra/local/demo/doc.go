// Package demo tells the local stack a story of fifty days, for who wants to see Concord at work: each status and kind of
// an invitation, a bounce, a dispute, a report, both tiers, granular administration near its end, purchases, a batch and
// an enrolment that waits for the operator. Everything is done as programs and people do it: by the API, the mailbox and
// the pages. The stack starts with its clock Before ago, and the story ends on time.
package demo
