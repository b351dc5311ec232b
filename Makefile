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

help: ## Show the first commands; make help DO=all shows every command
	$(STACK) help $(DO)

##@ First steps

demo: ## Show a sign-in, a refusal and a tool call, without any input
	$(STACK) demo

up: ## Start the stack; print URLs, users and what to do next
	$(STACK) up

ask: ## Ask the agent: make ask Q="What time is it now?"
	$(STACK) client ask "$${Q:-What time is it now?}"

client: ## Run a command of the agent: make client DO=chat
	$(STACK) client $(DO)

doctor: ## Find what is wrong with the server or the tenant, and how to fix it
	$(STACK) client doctor $(DO)

logs: ## Follow the log of the running stack
	$(STACK) logs

down: ## Stop everything
	$(STACK) down

test: ## Run the tests that need neither Docker nor a browser
	$(STACK) test $(DO)

##@ Run

restart: ## Replace the servers one after the other (Docker: no call is lost)
	$(STACK) restart

reload: ## Let the gateway read its configuration and certificate again
	$(STACK) reload

deploy: ## Deploy to a Docker Swarm, or update it (production)
	@ENV=prod $(PYTHON) scripts/stack deploy

##@ Test

e2e: ## Test separate stacks end to end
	$(STACK) e2e

browser: ## Test the tenant's pages in Chromium
	$(STACK) browser

worlds: ## Test the stack on other ports, hosts and folders
	$(STACK) worlds

soak: ## Load while servers are killed and replaced (Docker)
	$(STACK) soak $(DO)

fuzz: ## Random input for longer: make fuzz DO=600 (seconds)
	$(STACK) fuzz $(DO)

conformance: ## Run the MCP conformance suite (needs npm)
	$(STACK) conformance $(DO)

interop: ## Run MCP clients of others and Auth0's SDKs (needs npm)
	$(STACK) interop $(DO)

providers: ## Run the stack behind identity providers of others (needs npm)
	$(STACK) providers $(DO)

bench: ## Measure protection, the offline tenant, and a first run
	$(STACK) bench $(DO)

##@ Maintain

docs: ## Build the documents as a site; check links and spelling
	$(STACK) docs $(DO)

check: ## Run linter, formatter, type checker; DO=kubernetes also runs the pods (Podman)
	$(STACK) check $(DO)

sbom: ## List what packages and images consist of; check licences and vulnerabilities
	$(STACK) sbom

clean: ## Stop everything; remove volumes, logs and .venv
	$(STACK) clean
