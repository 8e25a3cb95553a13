/* Counts the memory blocks that Python allocates for objects. Objects reused from Python's free lists are not counted. */

#include <stddef.h>

typedef struct {
  void *context;
  void *(*malloc)(void *context, size_t size);
  void *(*calloc)(void *context, size_t count, size_t size);
  void *(*realloc)(void *context, void *block, size_t size);
  void (*free)(void *context, void *block);
} Allocator; /* PyMemAllocatorEx of Python's C interface */

void PyMem_GetAllocator(int domain, Allocator *allocator);
void PyMem_SetAllocator(int domain, Allocator *allocator);

enum { MEMORY = 1, OBJECTS = 2 };

static Allocator original[OBJECTS + 1];
static unsigned long allocations;

static void *counted_malloc(void *context, size_t size) {
  Allocator *to = context;
  allocations++;
  return to->malloc(to->context, size);
}

static void *counted_calloc(void *context, size_t count, size_t size) {
  Allocator *to = context;
  allocations++;
  return to->calloc(to->context, count, size);
}

static void *counted_realloc(void *context, void *block, size_t size) {
  Allocator *to = context;
  allocations += block == NULL;
  return to->realloc(to->context, block, size);
}

static void passed_free(void *context, void *block) {
  Allocator *to = context;
  to->free(to->context, block);
}

void begin(void) {
  for (int domain = MEMORY; domain <= OBJECTS; domain++) {
    PyMem_GetAllocator(domain, &original[domain]);
    Allocator counted = {&original[domain], counted_malloc, counted_calloc, counted_realloc, passed_free};
    PyMem_SetAllocator(domain, &counted);
  }
}

unsigned long count(void) { return allocations; }
