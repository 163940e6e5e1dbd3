package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// nginxConf is Debian's nginx at its best for an app: connections to the app are kept, in
// HTTP/1.1; the rest is Debian's and nginx's own.
const nginxConf = `user root; worker_processes 2; worker_rlimit_nofile {descriptors}; daemon off;
pid {dir}/nginx.pid; error_log {dir}/error.log error;
events { worker_connections 16384; }
http {
    include /etc/nginx/mime.types; default_type application/octet-stream;
    sendfile on; tcp_nopush on; types_hash_max_size 2048; server_tokens off;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
    access_log {log} combined;
    keepalive_requests 100000000; keepalive_timeout 300s; client_max_body_size 64m;
    {extra}
    upstream app { server unix:{socket}; keepalive 256; keepalive_requests 100000000; }
    server {
        listen {plain} backlog=4096; listen {tls} ssl http2 backlog=4096;
        ssl_certificate {certificate}; ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:SSL:1m;
        location / {
            proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_set_header Host $http_host; proxy_set_header X-Real-IP $remote_addr;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
        }
    }
}
`

// debianNginx is where nginx-light puts it, which is not on everybody's PATH.
const debianNginx = "/usr/sbin/nginx"

// newNginx writes a configuration for nginx, with one more line in its http block.
func newNginx(l *lab, name, extra string) (*proxy, error) {
	p, err := l.newProxy(name)
	if err != nil {
		return nil, err
	}
	p.conf = l.fill(p, strings.ReplaceAll(nginxConf, "{extra}", extra))
	file := filepath.Join(p.dir, "nginx.conf")
	p.args = []string{debianNginx, "-c", file, "-p", p.dir, "-e", filepath.Join(p.dir, "error.log")}
	if err := os.WriteFile(file, []byte(p.conf), 0o644); err != nil {
		return nil, fmt.Errorf("configuration of nginx: %w", err)
	}
	return p, nil
}
