# Paddock. `make run` serves the bundled example, `make test` runs every test,
# `make check` the linters. Each installs what it needs.

export GOTOOLCHAIN := auto
GO       := go
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
DATE     := $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
LDFLAGS  := -s -w -X main.version=$(VERSION)
TOOLS    := internal/tools/go.mod
PACKAGES := ./examples/packages.sh

.PHONY: build run test bench hostile soak check install clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/paddock ./cmd/paddock

# The main job: a Flask app under gunicorn on http://localhost:8080.
run:
	@$(PACKAGES) gunicorn python3-flask
	@$(MAKE) --no-print-directory build
	@exec bin/paddock run -c examples/flask/paddock.toml

# Real gunicorn, Flask and nginx; promtool is in prometheus; the race detector needs a C compiler.
test:
	@$(PACKAGES) gunicorn python3-flask python3-gevent python3-gevent-websocket python3-django python3-uvicorn python3-websockets nginx-light goaccess fail2ban gcc libc6-dev procps systemd prometheus sslscan openssl
	$(GO) test -race -timeout 15m ./...

# CPU time for each request beside Debian's nginx, about six minutes; docs/performance.md has the figures.
# make bench BENCH='-rounds 1 -workloads get,idle' is a part of it.
BENCH :=
bench:
	@$(PACKAGES) nginx-light wrk nghttp2-client openssl
	@$(MAKE) --no-print-directory build
	$(GO) build -o bin/bench ./internal/bench
	@bin/bench $(BENCH)

# Malformed requests and answers, each with its verdict, through the real binary. The
# corpus and its runner are no part of this repository; where they are not, they are left out.
CORPUS := ../shared/hostile
hostile: build
	@if [ ! -d $(CORPUS) ]; then echo "hostile: no corpus in $(CORPUS), left out"; else \
	 $(PACKAGES) python3 && python3 -B .ci/hostile.py $(CORPUS) bin/paddock; fi

# The faults at full length, and scanners; by hand. docs/faults.md and docs/security.md have the figures.
soak:
	@$(PACKAGES) gunicorn python3-flask python3-gevent python3-gevent-websocket python3-django python3-uvicorn python3-websockets procps slowhttptest nmap sslscan
	PADDOCK_SOAK=1 $(GO) test -tags soak -timeout 90m -count=1 -v ./internal/faults

check:
	@mkdir -p bin
	$(GO) build -modfile=$(TOOLS) -o bin/ mvdan.cc/gofumpt honnef.co/go/tools/cmd/staticcheck golang.org/x/vuln/cmd/govulncheck
	@out="$$(git ls-files '*.go' | xargs bin/gofumpt -l)"; if [ -n "$$out" ]; then echo "gofumpt would change:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags soak ./internal/faults
	bin/staticcheck ./...
	@out="$$($(GO) fix -diff ./... 2>/dev/null)"; if [ -n "$$out" ]; then echo "$$out"; exit 1; fi
	@bin/govulncheck ./... > bin/govulncheck.txt 2>&1; code=$$?; \
	 if grep -q 'vuln.go.dev' bin/govulncheck.txt && [ $$code -ne 0 ] && [ $$code -ne 3 ]; then echo "warning: govulncheck skipped, its database cannot be reached"; \
	 elif [ $$code -ne 0 ]; then cat bin/govulncheck.txt; exit $$code; else tail -n 1 bin/govulncheck.txt; fi

# Installs what a package would hold; the unit expects it below /usr.
PREFIX  := /usr
DESTDIR :=
install: build
	install -Dm755 bin/paddock $(DESTDIR)$(PREFIX)/bin/paddock
	install -Dm644 systemd/paddock.service $(DESTDIR)$(PREFIX)/lib/systemd/system/paddock.service
	install -Dm644 systemd/paddock.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/paddock.conf
	install -Dm644 systemd/paddock.tmpfiles $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/paddock.conf
	install -Dm644 systemd/paddock.logrotate $(DESTDIR)/etc/logrotate.d/paddock
	install -Dm644 config.example.toml $(DESTDIR)$(PREFIX)/share/doc/paddock/config.example.toml
	install -Dm644 systemd/strict.conf $(DESTDIR)$(PREFIX)/share/doc/paddock/strict.conf
	install -d $(DESTDIR)/etc/paddock
	SOURCE_DATE_EPOCH=$(DATE) bin/paddock man $(DESTDIR)$(PREFIX)/share/man/man1
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	bin/paddock completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/paddock
	bin/paddock completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_paddock
	bin/paddock completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/paddock.fish

clean:
	rm -rf bin examples/*/var
