# Every target works in both runtimes. RUNTIME=docker or RUNTIME=local chooses one; without it, Docker is used if it answers.
PYTHON ?= python3
RUNTIME ?= auto
STACK = @$(PYTHON) scripts/stack --runtime $(RUNTIME)

# The recipes read these from the environment: the shell must not interpret their text.
export Q T
# If this is set, every process compiles all its packages again, which takes seconds each time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up down logs client ask doctor demo e2e test browser bench conformance check clean

help: ## Show this help
	@echo "Gatehouse: an MCP server that only lets the right people in."
	@sed -n -e 's/^##@ \(.*\)/\n\1/p' -e 's/^\([a-z0-9]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20
	@echo
	@echo "  RUNTIME=docker|local chooses the runtime. Without it, Docker is used if it answers."
	@echo "  T=path::test runs one test: make test T=tests/server/auth/test_gate.py"

##@ Run

up: ## Build and start the stack, wait until it is ready, print URLs and users
	$(STACK) up

down: ## Stop everything
	$(STACK) down

logs: ## Follow the log of the running stack
	$(STACK) logs

##@ Use

demo: ## The whole story, without any input
	$(STACK) demo

client: ## The agent's commands: make client DO=chat
	$(STACK) client $(DO)

ask: ## Ask the agent: make ask Q="What time is it now?"
	$(STACK) client ask "$${Q:-What time is it now?}"

doctor: ## What is wrong with the tenant or the server, and how to fix it
	$(STACK) client doctor $(DO)

##@ Test

test: ## All tests except those of the stack and the browser; needs no Docker
	$(STACK) test

e2e: ## The stack end to end, in stacks of its own
	$(STACK) e2e

browser: ## Tests of the tenant's pages in a real Chromium
	$(STACK) browser

conformance: ## The MCP conformance suite; needs npm
	$(STACK) conformance $(DO)

bench: ## The cost of protection, compared with other servers
	$(STACK) bench

##@ Maintain

check: ## Linter, formatter, type checker, import rules
	$(STACK) check

clean: ## Stop everything; remove volumes, logs, .venv
	$(STACK) clean
