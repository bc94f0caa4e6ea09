// Package console looks at the web console with a real browser.
package console
