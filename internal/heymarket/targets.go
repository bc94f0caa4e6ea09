package heymarket

// Targets returns the recipients of an opener in the API's form, one address an
// element: the to recipients as "to:a@example.com", then the cc recipients as
// "cc:b@example.com". The addresses must have been validated: a comma in one
// would add a recipient.
func Targets(to, cc []string) []string {
	targets := make([]string, 0, len(to)+len(cc))
	for _, address := range to {
		targets = append(targets, "to:"+address)
	}
	for _, address := range cc {
		targets = append(targets, "cc:"+address)
	}
	return targets
}
