# Paddock. `make run` serves the bundled example, `make test` runs every test,
# `make check` the linters. Each installs what it needs.

export GOTOOLCHAIN := auto
GO       := go
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X main.version=$(VERSION)
TOOLS    := internal/tools/go.mod
PACKAGES := ./examples/packages.sh

.PHONY: build run test check clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/paddock ./cmd/paddock

# The main job: a Flask app under gunicorn on http://localhost:8080.
run:
	@$(PACKAGES) gunicorn python3-flask
	@$(MAKE) --no-print-directory build
	@exec bin/paddock run -c examples/flask/paddock.toml

# Real gunicorn, Flask and nginx; promtool is in prometheus; the race detector needs a C compiler.
test:
	@$(PACKAGES) gunicorn python3-flask python3-gevent nginx-light prometheus gcc libc6-dev procps
	$(GO) test -race -timeout 11m ./...

check:
	@mkdir -p bin
	$(GO) build -modfile=$(TOOLS) -o bin/ mvdan.cc/gofumpt honnef.co/go/tools/cmd/staticcheck golang.org/x/vuln/cmd/govulncheck
	@out="$$(git ls-files '*.go' | xargs bin/gofumpt -l)"; if [ -n "$$out" ]; then echo "gofumpt would change:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	bin/staticcheck ./...
	@out="$$($(GO) fix -diff ./... 2>&1)"; if [ -n "$$out" ]; then echo "$$out"; exit 1; fi
	@bin/govulncheck ./... > bin/govulncheck.txt 2>&1; code=$$?; \
	 if grep -q 'vuln.go.dev' bin/govulncheck.txt && [ $$code -ne 0 ] && [ $$code -ne 3 ]; then echo "warning: govulncheck skipped, its database cannot be reached"; \
	 elif [ $$code -ne 0 ]; then cat bin/govulncheck.txt; exit $$code; else tail -n 1 bin/govulncheck.txt; fi

clean:
	rm -rf bin examples/*/var
