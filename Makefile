# Every target works in both runtimes; RUNTIME=docker or RUNTIME=local chooses, else what the machine has.
PYTHON ?= python3
RUNTIME ?= auto
STACK = @$(PYTHON) scripts/stack --runtime $(RUNTIME)

export Q

.DEFAULT_GOAL := help
.PHONY: help up down logs login tools ask chat demo e2e test browser check lock clean

help: ## Show this help
	@echo "Gatehouse: an MCP server that only lets the right people in."
	@echo
	@sed -n 's/^\([a-z0-9]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 14
	@echo
	@echo "  RUNTIME=docker|local chooses the runtime; without it Docker is used when it answers."

up: ## Build, start, wait until ready; print URLs and users
	$(STACK) up

down: ## Stop everything
	$(STACK) down

logs: ## Follow the log of the running stack
	$(STACK) logs

login: ## Sign in with the browser
	$(STACK) client login

tools: ## List the server's tools
	$(STACK) client tools

ask: ## Ask the agent: make ask Q="What time is it now?"
	$(STACK) client ask "$${Q:-What time is it now?}"

chat: ## Talk with the agent
	$(STACK) client chat

demo: ## The whole story, with no hands
	$(STACK) demo

e2e: ## End-to-end suite against a stack of its own
	$(STACK) e2e

test: ## All tests; needs no Docker
	$(STACK) test

browser: ## Tests of the tenant's pages in a real Chromium
	$(STACK) browser

check: ## Linter, formatter, type checker
	$(STACK) check

lock: ## Resolve dependencies anew, write the hashed locks
	$(STACK) lock

clean: ## Stop everything; remove volumes, logs, .venv
	$(STACK) clean
