# Real uses of the engines; each is run as a test.
examples_programs = examples/gpu_buffer examples/file_space
check_PROGRAMS += $(examples_programs)
dist_check_SCRIPTS += examples/gpu_buffer.sh examples/file_space.sh
TESTS += examples/gpu_buffer.sh examples/file_space.sh

examples_gpu_buffer_SOURCES = examples/gpu_buffer.c
examples_gpu_buffer_LDADD = $(top_builddir)/libctxalloc.la
examples_file_space_SOURCES = examples/file_space.c
examples_file_space_LDADD = $(top_builddir)/libctxalloc.la
