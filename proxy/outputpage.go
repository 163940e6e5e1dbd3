package proxy

import "html"

// appendOutputPage appends the page of an app that is down under `paddock dev`: what
// it wrote last, usually a traceback. The page asks again by itself, so that the site
// is there as soon as the code is right.
func appendOutputPage(dst []byte, r *refusal) []byte {
	title := pageTitle(r.status)
	dst = append(dst, "<html>\r\n<head><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"2\"><title>"...)
	dst = append(dst, title...)
	dst = append(dst, "</title></head>\r\n<body>\r\n<h1>"...)
	dst = append(dst, title...)
	dst = append(dst, "</h1>\r\n<p>The app did not start. Its last lines:</p>\r\n<pre>"...)
	dst = append(dst, html.EscapeString(r.output)...)
	return append(dst, "</pre>\r\n<hr>"+serverName+" dev\r\n</body>\r\n</html>\r\n"...)
}
