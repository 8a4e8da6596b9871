# Concord. `make` alone says what can be done.

.DEFAULT_GOAL := help

# A function's logical id in template.yaml names its folder: InvitationsFunction is functions/invitations.
FOLDERS     := $(patsubst functions/%/main.go,%,$(wildcard functions/*/main.go))
LOGICAL_IDS := $(shell printf '%s\n' $(FOLDERS) | awk 'NF {print toupper(substr($$0, 1, 1)) substr($$0, 2) "Function"}')
folder       = functions/$(shell printf '%s' $(1:Function=) | tr A-Z a-z)

# What Lambda runs (template.yaml, Architectures); local builds are for this machine.
OS        := linux
ARCH      := arm64

# RACE=1 puts the race detector under every suite that runs our code, in place of the coverage figure; it needs a C compiler. The
# house rules follow the calls of the whole program, which takes minutes under the detector and has no races to find.
RACE     :=
COVERAGE := .build/coverage.out

.PHONY: help
help: ## say what can be done
	@awk -F ':.*## ' '/^[a-zA-Z0-9<>-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: tools-run build ## start everything here: API, pages, mailbox, identity provider (PORT, MAILBOX_PORT, IDP_PORT, ENGINE, PARAMETERS=file.json, SEED=demo); ctrl-C ends it
	@go build -o .build/local ./infra/local
	@exec .build/local

.PHONY: test
test: tools build ## every test: domain, stores on both engines, the whole way through the local stack, pages in a browser
	@mkdir -p $(dir $(COVERAGE))
ifeq ($(RACE),)
	go test -count=1 -timeout 30m -covermode=atomic -coverprofile=$(COVERAGE) -coverpkg=./functions/...,./internal/...,./infra/local/... ./...
	@go tool cover -func=$(COVERAGE) | awk 'END {print "statements covered: " $$NF}'
else
	go test -count=1 -timeout 50m -race $$(go list ./... | grep -v /infra/rules)
	go test -count=1 ./infra/rules
endif

# From where the long run goes: a number of its own for each.
FROM := $(or $(GITHUB_RUN_NUMBER),$(shell date +%j))000

.PHONY: long
long: tools build ## the tests of whatever may happen, far beyond what `make test` does of them (FROM=a number)
	go test -count=1 -v -timeout 50m ./internal/mail -run '^TestSimulation$$' -seed $(FROM) -worlds 3000
	go test -count=1 -v -timeout 50m ./internal/dynamo -run 'Linearizable$$' -seed $(FROM) -histories 1000
	go test -count=1 -v -timeout 50m ./internal/dynamo -run '^TestModel$$' -rapid.seed $(FROM) -rapid.checks 1000

# What is too heavy for `make test`: files with the build tag heavy, which the checks read like the others.
HEAVY := go test -count=1 -v -tags heavy ./infra/e2e -run

.PHONY: keycloak
keycloak: need-java tools-run build ## sign in and call through a real Keycloak, to an accepted invitation (fetches 170 MB once)
	@$(MAKE) --silent --no-print-directory -C infra/tools keycloak
	$(HEAVY) '^TestKeycloak$$'

# Built from its public module, for this machine; it runs on Linux alone.
RIE := .build/rie/aws-lambda-rie

.PHONY: rie
rie: tools-run build ## every event of events/ through AWS's Runtime Interface Emulator, to its function's own bootstrap
	cd infra/rie && go build -o ../../$(RIE) -ldflags "-s -w" github.com/aws/aws-lambda-runtime-interface-emulator/cmd/aws-lambda-rie
	$(HEAVY) '^TestRuntimeInterfaceEmulator$$'

.PHONY: clients
clients: need-java tools-run build command ## write clients from the document with six generators, compile them, and walk with five and the command through the local stack
	@$(MAKE) --no-print-directory -C infra/clients
	cd client && go vet ./... && go test -count=1 ./...
	$(HEAVY) '^(TestClients|TestCommand)$$'

.PHONY: client
client: need-go ## write the Go client of client/ from the OpenAPI document
	@$(MAKE) --no-print-directory -C infra/clients client

.PHONY: command
command: need-go ## build the command concord, as .build/concord
	cd client && go build -trimpath -ldflags "-s -w" -o ../.build/concord ./cmd/concord

.PHONY: compat
compat: tools-run build ## have Microsoft's own clients of Graph (npm) and Partner Center (PyPI) walk through the local stack, by base URL alone
	@$(MAKE) --no-print-directory -C infra/compat
	$(HEAVY) '^TestCompat$$'

CHECK_PARTS := gofmt vet staticcheck golangci-lint govulncheck cfn-lint expansion checkov rules

.PHONY: check
check: $(CHECK_PARTS) ## everything that reads the code without running it; each part is a target of its own

.PHONY: bench
bench: tools-run build ## measure handlers, bootstraps and what an invitation costs at the engine; Markdown, and JSON in .build/bench.json
	@go build -o .build/bench ./infra/bench
	@.build/bench -json .build/bench.json

.PHONY: load
load: tools-run build ## load the local stack with 1, 16 and 64 callers (CALLERS, EACH=192 invitations); Markdown, and JSON in .build/load.json
	@go build -o .build/bench ./infra/bench
	@.build/bench -load -callers $(CALLERS) -each $(EACH) -json .build/load.json

CALLERS := 1,16,64
EACH    := 192

# Where `make run` works: everything that it starts is compiled for each.
PLATFORMS := darwin/arm64 darwin/amd64 linux/arm64 linux/amd64

.PHONY: platforms
platforms: ## compile everything for each platform on which the stack runs
	@set -e; for p in $(PLATFORMS); do echo "platforms: $$p"; CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go build ./...; done

# Which deployment: a section of samconfig.toml, with its parameters beside it. Neither file holds a secret.
TO              := dev
DEPLOYMENT       = $(or $(PARAMETERS),parameters.$(TO).json)
STACK_OF         = concord-$(TO)
have-parameters  = @test -f "$(DEPLOYMENT)" || { echo '$(DEPLOYMENT) is missing: copy infra/parameters.json and fill it in (infra/operations.md)'; exit 1; }

.PHONY: preflight
preflight: need-go ## look at a deployment's parameters, its providers, names and account (TO=dev or prod, PARAMETERS=file.json)
	$(have-parameters)
	go run ./infra/preflight -stack $(STACK_OF) "$(DEPLOYMENT)"

.PHONY: deploy
deploy: need-go ## preflight, build with SAM, show the change set and deploy it when you agree (TO=dev or prod, PARAMETERS=file.json)
	@command -v sam >/dev/null || { echo 'deploy: the AWS SAM CLI is missing: pip install aws-sam-cli'; exit 1; }
	$(have-parameters)
	go run ./infra/preflight -stack $(STACK_OF) "$(DEPLOYMENT)"
	sam build --parallel --cached --build-in-source --config-env $(TO)
	@go run ./infra/preflight -offline -release .aws-sam/build "$(DEPLOYMENT)" sam deploy --config-env $(TO) --parameter-overrides

.PHONY: smoke
smoke: need-go ## try a deployment from outside: health, document, a test invitation to the SES simulator and back (URL=https://…, TOKEN of a partner)
	@go run ./infra/smoke

.PHONY: screenshots
screenshots: tools-run build ## a picture of every page and mail of the demonstration, in .build/screenshots (LANGUAGES=en,de, ONLY=part of a name)
	@$(MAKE) --silent --no-print-directory -C infra/tools chromium
	go run ./infra/screenshots $(if $(LANGUAGES),-languages $(LANGUAGES)) $(if $(ONLY),-only $(ONLY))

.PHONY: clean
clean: ## remove everything that was built or fetched here
	rm -rf .build .aws-sam
	@$(MAKE) --no-print-directory -C infra/tools clean

# ---------------------------------------------------------------- functions

FUNCTION := go build -trimpath -tags lambda.norpc -ldflags "-s -w"

# SAM calls build-<LogicalId> and says where the bootstrap belongs.
build-%Function:
	@test -n "$(ARTIFACTS_DIR)" || { echo 'ARTIFACTS_DIR says where the bootstrap goes (SAM sets it); for this machine: make build'; exit 1; }
	CGO_ENABLED=0 GOOS=$(OS) GOARCH=$(ARCH) $(FUNCTION) -o "$(ARTIFACTS_DIR)/bootstrap" ./$(call folder,$*)

# One call for all of them reads the packages once, and links again only what has changed.
.PHONY: build
build: ## every function for this machine, as .build/<LogicalId>/bootstrap
	@mkdir -p .build/functions $(LOGICAL_IDS:%=.build/%)
	CGO_ENABLED=0 $(FUNCTION) -o .build/functions/ $(FOLDERS:%=./functions/%)
	@$(foreach id,$(LOGICAL_IDS),ln -f .build/functions/$(notdir $(call folder,$(id))) .build/$(id)/bootstrap;)

# ---------------------------------------------------------------- tools beside Go

# What has to be there before anything else, with what to say when it is not.
need = @command -v $(1) >/dev/null || { echo '$(1) is missing: Concord needs $(2)'; exit 1; }

.PHONY: tools tools-run need-go need-node need-java
need-go:
	$(call need,go,Go 1.26 (https://go.dev/dl))

need-node:
	$(call need,node,Node 20 or later (https://nodejs.org))
	$(call need,npm,npm$(COMMA) which comes with Node)

need-java:
	$(call need,javac,a Java 17 development kit for ENGINE=dynamodb-local and the tests)
	$(call need,mvn,Maven for ENGINE=dynamodb-local and the tests)

COMMA := ,

tools: need-go need-node need-java
	@$(MAKE) --silent --no-print-directory -C infra/tools npm chromium dynamodb-local

# The native engine is built for Linux on x86-64 alone; elsewhere it is AWS's own, which needs Java.
USUAL_ENGINE = $(if $(filter linux-amd64,$(shell go env GOOS)-$(shell go env GOARCH)),dynoxide,dynamodb-local)
JAVA_ENGINE  = $(filter dynamodb-local,$(or $(ENGINE),$(USUAL_ENGINE)))

tools-run: need-go need-node $(if $(JAVA_ENGINE),need-java)
	@$(MAKE) --silent --no-print-directory -C infra/tools npm $(JAVA_ENGINE)

# ---------------------------------------------------------------- checks

CHECKS     := infra/checks
CHECK_BIN  := .build/checks
checksum    = $(firstword $(shell cat $(1) | cksum))
GO_CHECKS  := $(CHECK_BIN)/.built-$(call checksum,$(CHECKS)/go.mod $(CHECKS)/go.sum)
CFN_LINT   := $(CHECK_BIN)/python/.installed-$(call checksum,$(CHECKS)/requirements.txt)
CHECKOV    := $(CHECK_BIN)/checkov/.installed-$(call checksum,$(CHECKS)/checkov/requirements.txt)
GO_SOURCES  = $(wildcard $(shell git ls-files --cached --others --exclude-standard '*.go'))

$(GO_CHECKS):
	@rm -rf $(CHECK_BIN)/.built-*
	@mkdir -p $(CHECK_BIN)
	cd $(CHECKS) && go build -o ../../$(CHECK_BIN)/ -ldflags "-s -w" tool
	@touch $@

$(CFN_LINT):
	@rm -rf $(CHECK_BIN)/python
	@python3 -m venv $(CHECK_BIN)/python || { echo 'cfn-lint: Python 3 with its venv module is missing (Debian: apt-get install python3-venv)'; exit 1; }
	$(CHECK_BIN)/python/bin/pip install --quiet --disable-pip-version-check --requirement $(CHECKS)/requirements.txt
	@touch $@

# An environment of its own: it wants other versions than cfn-lint of what both have.
$(CHECKOV):
	@rm -rf $(CHECK_BIN)/checkov
	@python3 -m venv $(CHECK_BIN)/checkov || { echo 'checkov: Python 3 with its venv module is missing (Debian: apt-get install python3-venv)'; exit 1; }
	$(CHECK_BIN)/checkov/bin/pip install --quiet --disable-pip-version-check --requirement $(CHECKS)/checkov/requirements.txt
	@touch $@

.PHONY: check-parts $(CHECK_PARTS)
check-parts:
	@echo $(CHECK_PARTS)

gofmt:
	@unformatted=$$(gofmt -l $(GO_SOURCES)) || exit 1; test -z "$$unformatted" || { echo 'gofmt: not formatted:'; echo "$$unformatted"; exit 1; }
	@echo 'gofmt: $(words $(GO_SOURCES)) files'

vet:
	go vet -tags heavy ./...

staticcheck: $(GO_CHECKS)
	$(CHECK_BIN)/staticcheck -tags heavy ./...

golangci-lint: $(GO_CHECKS)
	$(CHECK_BIN)/golangci-lint run ./...

govulncheck: $(GO_CHECKS)
	@$(CHECKS)/govulncheck $(CHECK_BIN)/govulncheck

cfn-lint: $(CFN_LINT)
	$(CHECK_BIN)/python/bin/cfn-lint --template template.yaml infra/edge.yaml

# The template as CloudFormation gets it, after the SAM transform, held to the rules for it.
EXPANDED := $(abspath .build/expanded.json)
expansion: $(CFN_LINT)
	$(CHECK_BIN)/python/bin/python $(CHECKS)/expand.py template.yaml >$(EXPANDED)
	EXPANDED_TEMPLATE=$(EXPANDED) go test -count=1 -run 'TestNamesAreOfTheStack' ./infra/rules

# What a scanner for security misses, in the template as CloudFormation gets it; what stays as it is says why in waivers.json.
checkov: $(CFN_LINT) $(CHECKOV)
	$(CHECK_BIN)/python/bin/python $(CHECKS)/expand.py template.yaml >$(EXPANDED)
	$(CHECK_BIN)/checkov/bin/python $(CHECKS)/checkov/check.py $(CHECK_BIN)/checkov/bin/checkov $(EXPANDED) infra/edge.yaml

# Who imports whom, the template, the repository.
rules:
	go test -count=1 ./infra/rules/...
