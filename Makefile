# Every target works in both runtimes. RUNTIME=docker or RUNTIME=local chooses one. Without it, Docker is used if it
# answers.
PYTHON ?= python3
RUNTIME ?= auto
STACK = @$(PYTHON) scripts/stack --runtime $(RUNTIME)

# The recipes read Q, T, PORTS and ENV from the environment, so that the shell does not interpret their text.
export Q T PORTS ENV
# With this variable every process compiles all its packages again, which takes seconds.
unexport PYTHONDONTWRITEBYTECODE

# A variable of the shell may have this name for another purpose, so only the command line is checked.
ifeq ($(origin ENV),command line)
ifneq ($(ENV),prod)
$(error ENV is '$(ENV)': only prod is valid. Leave it out for development)
endif
endif

.DEFAULT_GOAL := help
.PHONY: help up down restart reload logs deploy client ask doctor demo e2e test browser worlds soak bench fuzz conformance interop providers docs check sbom clean

help: ## Show this help
	@echo "Gatehouse: an MCP server that only lets the right people in."
	@sed -n -e 's/^##@ \(.*\)/\n\1/p' -e 's/^\([a-z0-9]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20
	@echo
	@echo "  RUNTIME=docker|local chooses the runtime. Without it, Docker is used if it answers."
	@echo "  ENV=prod runs up, down, restart, reload and logs in production (docs/production.md)."
	@echo "  PORTS=auto lets \`make up\` move taken ports to free ones, in .env."
	@echo "  T=path::test runs one test: make test T=tests/server/auth/test_gate.py"

##@ Run

up: ## Build and start the stack, wait until it is ready, print URLs and users
	$(STACK) up

down: ## Stop everything
	$(STACK) down

restart: ## Replace the servers one after the other (Docker: without a lost call)
	$(STACK) restart

reload: ## Let the gateway read its configuration and certificate again
	$(STACK) reload

logs: ## Follow the log of the running stack
	$(STACK) logs

deploy: ## Deploy servers and gateways to a Docker Swarm, or update them (production)
	@ENV=prod $(PYTHON) scripts/stack deploy

##@ Use

demo: ## Show sign-in, refusal, tool call and answer, without any input
	$(STACK) demo

client: ## Run a command of the agent: make client DO=chat
	$(STACK) client $(DO)

ask: ## Ask the agent: make ask Q="What time is it now?"
	$(STACK) client ask "$${Q:-What time is it now?}"

doctor: ## Find what is wrong with the tenant or the server, and how to fix it
	$(STACK) client doctor $(DO)

##@ Test

test: ## Run all tests that need neither Docker nor a browser
	$(STACK) test $(DO)

e2e: ## Test separate stacks end to end
	$(STACK) e2e

browser: ## Test the tenant's pages in Chromium
	$(STACK) browser

soak: ## Load while servers are killed and replaced: which calls are lost (Docker)
	$(STACK) soak $(DO)

worlds: ## The stack on other ports, hosts and folders
	$(STACK) worlds

fuzz: ## Run the tests with random input for longer: make fuzz DO=600 (seconds)
	$(STACK) fuzz $(DO)

conformance: ## Run the MCP conformance suite (needs npm)
	$(STACK) conformance $(DO)

interop: ## Run MCP clients of others and Auth0's SDKs without the internet (needs npm)
	$(STACK) interop $(DO)

providers: ## Run the stack behind identity providers of others (needs npm)
	$(STACK) providers $(DO)

bench: ## Measure protection and the offline tenant beside others
	$(STACK) bench $(DO)

##@ Maintain

docs: ## Build the documents as a site, and check links and spelling
	$(STACK) docs $(DO)

check: ## Run linter, formatter, type checker and import rules; DO=kubernetes also runs the pods (Podman)
	$(STACK) check $(DO)

sbom: ## List what packages and images consist of (CycloneDX); check licences and vulnerabilities
	$(STACK) sbom

clean: ## Stop everything, and remove volumes, logs and .venv
	$(STACK) clean
