# What one does with the project; `make` alone lists it. Everything installs what it needs into .venv first.

VENV := .venv
PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/installed
WORKERS ?= 4
CHECKOV := $(VENV)/checkov

# ENV names a deployment: terraform/env/$(ENV).tfvars. STATE is the bucket that holds Terraform's state.
ENV ?= dev
STATE ?=
TERRAFORM = TF_DATA_DIR=.terraform/$(ENV) terraform -chdir=terraform

export PYTHONPATH := functions:.
# Whoever forbids Python to keep what it has compiled has every test process compile everything again.
export PYTHONDONTWRITEBYTECODE :=
# Of pytest's plugins these alone, so that it does not search and rewrite whatever else is installed.
export PYTEST_DISABLE_PLUGIN_AUTOLOAD := 1
export PYTEST_PLUGINS := xdist.plugin,xdist.looponfail,pytest_timeout,schemathesis.pytest.plugin,_hypothesis_pytestplugin

.DEFAULT_GOAL := help
.PHONY: help setup run test soak lint types style imports checkov format lock bundle openapi indexes migrate \
	messages bootstrap plan deploy destroy deployment clean

help: ## lists the targets
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(STAMP) ## installs the pinned packages into .venv (Python 3.11 or later; PYTHON3=… names one)

$(STAMP): local/requirements.txt local/setup.sh
	@sh local/setup.sh $(VENV) local/requirements.txt
	@touch $@

run: setup ## prints a file on the whole local stack: ONCE=1 FILE=path BACKEND=google|embedded PORT=8080 KEEP=1 SPEED=60
	@exec $(PYTHON) -m local.run

test: setup ## every check and every test, with repetitions at reduced counts; what fails is tried once more, alone
	@$(MAKE) --no-print-directory -j 2 lint checkov
	@$(PYTHON) -m pytest -n $(WORKERS) --dist loadfile || { [ $$? -eq 1 ] \
		&& echo "Once more, one by one and alone, those that failed:" && exec $(PYTHON) -m pytest --last-failed -x; }

soak: setup ## the same tests at their full counts
	@SOAK=1 exec $(PYTHON) -m pytest -n $(WORKERS) --dist loadfile

lint: types style imports ## style, types and import rules

types: setup
	@$(VENV)/bin/mypy

style: setup
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .

imports: setup
	@$(VENV)/bin/lint-imports

checkov: $(CHECKOV)/installed ## what is known to be unsafe in Terraform's files; what is skipped says why, in its place
	@$(CHECKOV)/bin/checkov --directory terraform --framework terraform --compact --quiet --skip-download

# Apart from .venv's own packages: their versions and its own exclude each other.
$(CHECKOV)/installed: local/checkov.txt $(STAMP)
	@echo "Installing checkov into $(CHECKOV) …"
	@$(PYTHON) -m uv venv --quiet --clear --python $(PYTHON) $(CHECKOV)
	@$(PYTHON) -m uv pip install --quiet --python $(CHECKOV)/bin/python --require-hashes -r local/checkov.txt
	@touch $@

format: setup ## puts the code into shape
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

lock: setup ## pins the packages anew, of this project and of every deployed function
	@$(PYTHON) -m uv pip compile pyproject.toml --upgrade --universal --python-version 3.11 --group dev \
		--generate-hashes --no-annotate --no-header --quiet --output-file local/requirements.txt
	@echo checkov==3.3.30 | $(PYTHON) -m uv pip compile - --upgrade --universal --python-version 3.11 \
		--generate-hashes --no-annotate --no-header --quiet --output-file local/checkov.txt
	@$(PYTHON) -m tools.requirements

bundle: setup ## writes one zip per function
	@$(PYTHON) -m tools.bundle

openapi: setup ## writes functions/openapi.json from the catalog and the endpoints' models
	@$(PYTHON) -m tools.openapi

indexes: setup ## writes firestore.indexes.json from the services' queries
	@$(PYTHON) -m tools.indexes

migrate: setup ## brings stored documents to the present version: APPLY=1 writes, COLLECTION=… for one
	@exec $(PYTHON) -m tools.migrate $(if $(APPLY),--apply) $(foreach each,$(COLLECTION),--collection $(each))

messages: setup ## writes functions/schemas from the models of the bus's messages
	@$(PYTHON) -m tools.messages

bootstrap: setup ## makes an organization: URL=… ORGANIZATION=… RECIPIENTS="hall:agent cellar" KEYS="shop:app" MEMBERS="sub:admin" ROUTING=functions
	@exec $(PYTHON) -m tools.bootstrap --url "$(URL)" $(if $(ROUTING),--routing $(ROUTING)) \
		--organization "$(ORGANIZATION)" \
		$(foreach each,$(RECIPIENTS),--recipient "$(each)") $(foreach each,$(KEYS),--key "$(each)") \
		$(foreach each,$(MEMBERS),--member "$(each)")

plan: deployment bundle ## shows what a deployment would change: ENV=dev|prod STATE=bucket
	@$(TERRAFORM) plan -var-file=env/$(ENV).tfvars

deploy: deployment bundle ## makes the bundles and brings a deployment to what the files say: ENV=dev|prod STATE=bucket
	@$(TERRAFORM) apply -var-file=env/$(ENV).tfvars

destroy: ## removes a deployment with all its data, though never production: ENV=dev STATE=bucket
	@if [ "$(ENV)" = prod ] || grep -Eqs '^ *environment *= *"prod"' terraform/env/$(ENV).tfvars; then \
		echo "A prod deployment is not destroyed from here." >&2; exit 1; fi
	@$(MAKE) --no-print-directory deployment
	@$(TERRAFORM) destroy -var-file=env/$(ENV).tfvars

deployment:
	@[ -f "terraform/env/$(ENV).tfvars" ] || { echo "ENV=… names no file terraform/env/….tfvars: $(ENV)" >&2; exit 1; }
	@[ -n "$(STATE)" ] || { echo "STATE=… must name the bucket that holds Terraform's state" >&2; exit 1; }
	@$(TERRAFORM) init -input=false -reconfigure \
		-backend-config=bucket=$(STATE) -backend-config=prefix=printpipe/$(ENV)

clean: ## removes what was built and stored; .venv stays
	@rm -rf .local .soak build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
