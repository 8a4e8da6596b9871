package web

// DocsPolicy gives what the reference page lets a browser load.
func DocsPolicy() string {
	_, policy := docsPage()
	return policy
}
