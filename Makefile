# make            the module and the command, in build/
# make help       everything else

BUILD     ?= build
NGINX_SRC ?= /usr/share/nginx/src
CC        ?= cc
MAKEFLAGS += --no-print-directory

# The flags that Debian builds nginx with: what hardens the server should
# harden what is loaded into it.
OPTIMIZE  ?= -O2 -g -fstack-protector-strong -D_FORTIFY_SOURCE=2
LDFLAGS   ?= -Wl,-z,relro -Wl,-z,now
SANITIZE  ?=

# What goes by each purpose; `make deps-run` and the like install what is
# missing.  node and npm are taken from wherever they come.
DEPS_build = gcc libc6-dev make nginx nginx-dev libjansson-dev libhiredis-dev \
             libssl-dev libpcre2-dev
DEPS_run   = $(DEPS_build) ca-certificates curl libmojolicious-perl perl \
             redis-server util-linux
DEPS_test  = $(DEPS_run) faketime jq nginx-extras openssl procps strace nodejs \
             npm
DEPS_bench = $(DEPS_run) lua-nginx-redis nginx-extras procps wrk
DEPS_check = $(DEPS_test) clang clang-format clang-tidy cppcheck

TESTS           ?= t/*.t
PROVE_JOBS      ?= 1
PROCTOR_SUITES  ?= ../shared/suites
TEST_NGINX_BINARY ?= /usr/sbin/nginx
TEST_NGINX_MODULE ?= $(abspath $(BUILD))/ngx_http_proctor_module.so
TEST_UNIT_DIR     ?= $(abspath $(BUILD))/unit
TEST_PROCTOR_COMMAND ?= $(abspath $(BUILD))/proctor
export PROCTOR_SUITES TEST_NGINX_BINARY TEST_NGINX_MODULE TEST_UNIT_DIR \
       TEST_PROCTOR_COMMAND

DESTDIR     ?=
PREFIX      ?= /usr
CONFDIR     ?= /etc/nginx/proctor
MODULES_DIR ?= /usr/lib/nginx/modules

# A tree that brings its own conf_flags (Debian's) says how its nginx was
# configured.  Another is taken to be built with --with-compat.
NGINX_FLAGS ?= $(if $(wildcard $(NGINX_SRC)/conf_flags),,--with-compat \
               --with-threads --with-http_ssl_module --with-http_v2_module \
               --with-http_realip_module)

WARNINGS   = -Wall -Wextra -Werror
PURE_FLAGS = -std=gnu11 $(WARNINGS) -Isrc $(OPTIMIZE) $(SANITIZE)
PURE_LIBS  = -ljansson -lcrypto -lpcre2-8 -lm
PURE       = $(sort $(wildcard src/proctor_*.c))
PURE_OBJ   = $(PURE:src/%.c=$(BUILD)/obj/%.o)
UNITS      = $(patsubst t/unit/%.c,$(BUILD)/unit/%,$(wildcard t/unit/*.c))
MODULE     = $(BUILD)/ngx_http_proctor_module.so
MODULE_SRC = $(sort $(wildcard src/ngx_http_proctor*.c src/*.h)) $(PURE)
TREE       = $(BUILD)/nginx-src

.PHONY: all module units nginx run test prove bench check check-style check-tidy \
        check-cppcheck check-asan install clean help deps FORCE
.DELETE_ON_ERROR:

all: $(MODULE) $(BUILD)/proctor

help:
	@echo 'make             build/ngx_http_proctor_module.so and build/proctor'
	@echo 'make run         the gateway on 127.0.0.1:$${PROCTOR_PORT:-8080},'
	@echo '                 in front of a sandbox or of the real services'
	@echo 'make test        the whole suite; TESTS="t/x.t" for some of it'
	@echo 'make bench       CPU per request beside a bare proxy_pass'
	@echo 'make check       format, clang-tidy, cppcheck, suite on sanitizers'
	@echo 'make check-asan  only the suite on ASan and UBSan'
	@echo 'make install     module and configuration; DESTDIR is honoured'
	@echo 'make deps        apt-get what the build needs; also deps-run,'
	@echo '                 deps-test, deps-bench, deps-check'
	@echo 'make clean       removes build/'
	@echo
	@echo 'NGINX_SRC=DIR    builds against another nginx source tree'


# Dependencies: apt-get is asked only when something is missing.

deps: deps-build

deps-%:
	@sh .ci/deps $(DEPS_$*)


# The command and the unit tests: pure files, compiled once.

$(BUILD)/obj/%.o: src/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(PURE_FLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/proctor: $(BUILD)/obj/proctor.o $(PURE_OBJ)
	$(CC) $(SANITIZE) $(LDFLAGS) -o $@ $^ $(PURE_LIBS)

$(BUILD)/unit/%: t/unit/%.c $(PURE_OBJ) $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(PURE_FLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $(PURE_OBJ) $(PURE_LIBS)

units: $(UNITS)

# Written anew only when it would differ, so that other flags mean a rebuild.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(PURE_FLAGS) $(LDFLAGS) $(PURE)' >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

-include $(wildcard $(BUILD)/obj/*.d $(BUILD)/unit/*.d)


# The module: a copy of nginx's tree is configured once for each set of flags
# and files, then its own makefile knows what to rebuild.

$(BUILD)/nginx-flags: FORCE
	@mkdir -p $(@D)
	@echo '$(abspath $(NGINX_SRC)) $(NGINX_FLAGS) $(OPTIMIZE) $(SANITIZE)' \
	    '$(LDFLAGS) $(MODULE_SRC)' >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(TREE)/objs/Makefile: config .ci/configure $(BUILD)/nginx-flags \
        $(wildcard $(NGINX_SRC)/conf_flags)
	OPTIMIZE='$(OPTIMIZE) $(SANITIZE)' LDFLAGS='$(LDFLAGS) $(SANITIZE)' \
	    bash .ci/configure $(NGINX_SRC) $(TREE) $(NGINX_FLAGS)

module: $(TREE)/objs/Makefile
	+$(MAKE) -C $(TREE) -f objs/Makefile modules

# Replaced by renaming: a server that runs has the old file mapped.
$(MODULE): module
	@cmp -s $(TREE)/objs/$(@F) $@ || \
	    { cp $(TREE)/objs/$(@F) $@.new && mv $@.new $@; }


# What needs more than the build installs it first, then builds.

run: deps-run
	+@$(MAKE) all
	@conf/quickstart

test: deps-test
	+@$(MAKE) prove

prove: all units
	prove -It/lib -j$(PROVE_JOBS) $(TESTS)

bench: deps-bench
	+@$(MAKE) all
	t/bench

check: deps-check
	+@$(MAKE) check-style check-tidy check-cppcheck check-asan

C_FILES   = $(wildcard src/*.c src/*.h t/unit/*.c t/unit/*.h)
C_SOURCES = $(filter %.c,$(C_FILES))
# As the objects of the module are compiled; nginx's headers are not ours to
# check.
TREE_INCLUDES = $(patsubst %,-isystem $(TREE)/%,src/core src/event \
                src/event/modules src/os/unix src/http src/http/modules \
                src/http/v2 objs)

check-style:
	clang-format --dry-run -Werror $(C_FILES)

check-tidy: $(TREE)/objs/Makefile
	printf '%s\n' $(C_SOURCES) | xargs -P2 -I{} \
	    clang-tidy --quiet --warnings-as-errors='*' {} -- \
	    -std=gnu11 -D_GNU_SOURCE -Isrc $(TREE_INCLUDES)

check-cppcheck: $(TREE)/objs/Makefile
	cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr \
	    --enable=warning,performance --library=posix \
	    -D__GNUC__ -D__linux__ -Isrc $(wildcard src/*.c)


# The suite on a server built with sanitizers, from the sources of the very
# nginx that Debian ships.  NGX_DEBUG_PALLOC gives each allocation from a pool
# its own red zone.  halt_on_error makes each finding a dead worker, which no
# test overlooks; log_path keeps what it said.

ASAN       = $(BUILD)/asan
ASAN_FLAGS = -fsanitize=address,undefined -fno-omit-frame-pointer \
             -DNGX_DEBUG_PALLOC=1
ASAN_LOG   = $(abspath $(ASAN))/report
ASAN_ENV   = ASAN_OPTIONS=abort_on_error=1:strict_string_checks=1:$\
             detect_stack_use_after_return=1:log_path=$(ASAN_LOG) \
             UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1:$\
             print_stacktrace=1:suppressions=$(CURDIR)/.ci/ubsan.supp:$\
             log_path=$(ASAN_LOG)
ASAN_MAKE  = $(MAKE) BUILD=$(ASAN) NGINX_SRC=$(BUILD)/nginx-orig \
             NGINX_FLAGS=--add-module=$(CURDIR)/.ci/leaks \
             OPTIMIZE='-O1 -g' SANITIZE='$(ASAN_FLAGS)' \
             TEST_NGINX_BINARY=$(abspath $(ASAN))/nginx \
             TEST_NGINX_MODULE=$(abspath $(ASAN))/ngx_http_proctor_module.so \
             TEST_PROCTOR_COMMAND=$(abspath $(ASAN))/proctor \
             TEST_UNIT_DIR=$(abspath $(ASAN))/unit

$(BUILD)/nginx-orig/conf_flags: .ci/nginx-orig $(NGINX_SRC)/conf_flags
	bash .ci/nginx-orig $(BUILD)/nginx-orig
	cp $(NGINX_SRC)/conf_flags $@

check-asan: $(BUILD)/nginx-orig/conf_flags
	+$(ASAN_MAKE) all units nginx
	rm -f $(ASAN_LOG)*
	+status=0; $(ASAN_ENV) $(ASAN_MAKE) prove || status=$$?; \
	    ! cat $(ASAN_LOG)* 2>/dev/null && exit $$status

nginx: $(TREE)/objs/Makefile
	+$(MAKE) -C $(TREE) -f objs/Makefile binary
	cp $(TREE)/objs/nginx $(BUILD)/nginx


# Configuration that is there already is an operator's: never overwritten.

install: all
	install -D -m 644 $(MODULE) -t $(DESTDIR)$(MODULES_DIR)
	install -D -m 755 $(BUILD)/proctor -t $(DESTDIR)$(PREFIX)/bin
	install -D -m 644 conf/contracts/*.json -t $(DESTDIR)$(CONFDIR)/contracts
	@for file in nginx.conf teams.json; do \
	    to=$(DESTDIR)$(CONFDIR)/$$file; \
	    [ ! -e $$to ] || to=$$to.new; \
	    echo "install -m 640 conf/$$file $$to"; \
	    install -m 640 conf/$$file $$to || exit 1; \
	done

clean:
	rm -rf $(BUILD)
