# Every target works in both runtimes; RUNTIME=docker or RUNTIME=local chooses, else what the machine has.
PYTHON ?= python3
RUNTIME ?= auto
STACK = @$(PYTHON) scripts/stack --runtime $(RUNTIME)

export Q
# Where it is set, every process compiles all its packages anew, which takes seconds each time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up down logs client ask doctor demo e2e test browser bench conformance check clean

help: ## Show this help
	@echo "Gatehouse: an MCP server that only lets the right people in."
	@echo
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20
	@echo
	@echo "  RUNTIME=docker|local chooses the runtime; without it Docker is used when it answers."

up: ## Build, start, wait until ready; print URLs and users
	$(STACK) up

down: ## Stop everything
	$(STACK) down

logs: ## Follow the log of the running stack
	$(STACK) logs

client: ## The agent's commands: make client DO=chat
	$(STACK) client $(DO)

ask: ## Ask the agent: make ask Q="What time is it now?"
	$(STACK) client ask "$${Q:-What time is it now?}"

doctor: ## What is wrong with the tenant or the server, and the mend
	$(STACK) client doctor $(DO)

demo: ## The whole story, with no hands
	$(STACK) demo

e2e: ## The stack end to end, in stacks of its own
	$(STACK) e2e

test: ## All tests but those of the stack and the browser; needs no Docker
	$(STACK) test

browser: ## Tests of the tenant's pages in a real Chromium
	$(STACK) browser

bench: ## What protection costs, beside other servers
	$(STACK) bench

conformance: ## The MCP conformance suite; needs npm
	$(STACK) conformance $(DO)

check: ## Linter, formatter, arrows between rooms, type checker
	$(STACK) check

clean: ## Stop everything; remove volumes, logs, .venv
	$(STACK) clean
