# The commands people type. Each sets up what it needs first; the second time that takes seconds.

python := .venv/bin/python

# Where an image sets this, every process that a node starts would compile our modules anew.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: run demo test check format lock clean help

help:
	@echo "make run     set up and start a node; Ctrl-C stops it"
	@echo "make demo    with a node running: play a citizen's call and watch it"
	@echo "make test    every check and every test"
	@echo "make check   format, lint, types, import directions"
	@echo "make format  put the code into its format"
	@echo "make lock    lock the packages anew after a change to requirements/*.in"
	@echo "make clean   remove what can be made again; recordings and tickets stay"

run:
	@scripts/setup.sh --database
	@exec $(python) -m hotline run --demonstration-model $(ARGS)

demo:
	@scripts/setup.sh --no-model
	@exec $(python) -m hotline demo $(ARGS)

test: .venv/dev
	scripts/setup_tests.sh
	$(MAKE) --no-print-directory check
	$(python) -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder $(ARGS)

check: .venv/dev
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	@command -v tsc >/dev/null || { echo "tsc is missing; scripts/setup_tests.sh installs it"; exit 1; }
	tsc --project jsconfig.json

format: .venv/dev
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

lock:
	scripts/lock.sh $(ARGS)

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Not a file: set-up itself knows what is up to date.
.PHONY: .venv/dev
.venv/dev:
	@scripts/setup.sh --dev
