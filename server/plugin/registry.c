// Loading. A library's constructors run inside dlopen, so whatever can be known of a file is looked at before: it is a
// regular file, in a folder and with rights that nobody but its owner can change, and the owner is root or ourselves.
// The folder is opened once and kept, and dlopen gets a path through it, so that no one can put another folder in its
// place. (A path through the file's own descriptor would not do: the dynamic linker knows libraries by path, and the
// next file may get the same number.)
#include "plugin/registry.h"
#include "base/fault.h"
#include "base/mem.h"
#include "plugin/check.h"
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLUGINS_MAX 64
#define NAME_MAX_LEN 64

struct plugin_registry {
  int dir;
  size_t count;
  struct tollgate_plugin plugins[PLUGINS_MAX];
};

// ---- files

static const char *rights_check(const struct stat *st) {
  if (st->st_uid != 0 && st->st_uid != geteuid()) return "it belongs to another user";
  if (st->st_mode & (S_IWGRP | S_IWOTH)) return "it is writable by others (chmod go-w)";
  return NULL;
}

static const char *file_check(int fd) {
  struct stat st;
  if (fstat(fd, &st) < 0) return "it cannot be read";
  if (!S_ISREG(st.st_mode)) return "it is not a regular file";
  return rights_check(&st);
}

static void problem_add(struct buf *problems, const char *file, const char *problem) {
  buf_printf(problems, "%s: %s\n", file, problem);
}

// What the loader says begins with the path, which tells nobody anything.
static void loader_said(const char *path, char *ret_why, size_t why_size) {
  const char *said = dlerror();
  size_t skip = said && strncmp(said, path, strlen(path)) == 0 ? strlen(path) : 0;
  if (said && said[skip] == ':') skip += 2;
  (void)snprintf(ret_why, why_size, "it cannot be loaded: %s", said ? said + skip : "no reason was given");
}

// The table of a file of the folder, or NULL with the reason. The process is named by its number, so that tools which
// look on from outside can follow the path too.
static const struct tollgate_plugin *table_open(int dir, const char *file, char *ret_why, size_t why_size) {
  char path[PATH_MAX];
  (void)snprintf(path, sizeof path, "/proc/%d/fd/%d/%s", (int)getpid(), dir, file);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    loader_said(path, ret_why, why_size);
    return NULL;
  }
  const struct tollgate_plugin *table = dlsym(library, "tollgate_plugin");
  if (!table) (void)snprintf(ret_why, why_size, "it has no symbol tollgate_plugin");
  return table;
}

static const char *open_problem(void) {
  return errno == ELOOP ? "it is a symbolic link" : "it cannot be opened";
}

// What is wrong with the file, or NULL: then the registry has one plugin more.
static const char *plugin_load(struct plugin_registry *r, const char *file, const char *name, char *why,
                               size_t why_size) {
  int fd = openat(r->dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return open_problem();
  const char *problem = file_check(fd);
  const struct tollgate_plugin *theirs = problem ? NULL : table_open(r->dir, file, why, why_size);
  if (!problem && !theirs) problem = why;
  if (!problem) problem = plugin_check(theirs, name, &r->plugins[r->count]);
  if (!problem) r->count++;
  close(fd);
  return problem;
}

// ---- the folder

// "name" of "name.so", or false.
static bool name_of(const char *file, char ret[NAME_MAX_LEN]) {
  size_t len = strlen(file);
  if (len < 4 || len - 3 >= NAME_MAX_LEN || strcmp(file + len - 3, ".so") != 0) return false;
  memcpy(ret, file, len - 3);
  ret[len - 3] = '\0';
  return true;
}

static void entries_free(struct dirent **entries, int count) {
  for (int i = 0; i < count; i++) free(entries[i]);
  free(entries);
}

static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static void folder_load(struct plugin_registry *r, struct dirent **entries, int count, struct buf *problems) {
  for (int i = 0; i < count; i++) {
    char name[NAME_MAX_LEN], why[512];
    if (!name_of(entries[i]->d_name, name)) continue;
    const char *problem = "there are too many plugins";
    if (strcmp(name, PLUGIN_NONE) == 0) problem = "this name stands for no plugin";
    else if (r->count < PLUGINS_MAX) problem = plugin_load(r, entries[i]->d_name, name, why, sizeof why);
    if (problem) problem_add(problems, entries[i]->d_name, problem);
  }
}

int plugin_registry_load(const char *dir, struct plugin_registry **ret, struct buf *ret_problems) {
  struct dirent **entries = NULL;
  struct stat st;
  int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FAULT_IO;
  int count = scandirat(fd, ".", &entries, NULL, by_name);
  if (count < 0 || fstat(fd, &st) < 0) {
    if (count >= 0) entries_free(entries, count);
    close(fd);
    return FAULT_IO;
  }
  struct plugin_registry *r = mem_alloc(sizeof *r);
  r->dir = fd;
  const char *problem = rights_check(&st);
  if (problem)
    problem_add(ret_problems, dir, problem);
  else
    folder_load(r, entries, count, ret_problems);
  entries_free(entries, count);
  *ret = r;
  return (int)r->count;
}

void plugin_registry_destroy(struct plugin_registry *r) {
  if (!r) return;
  close(r->dir);
  mem_free(r);
}

// ---- asking

size_t plugin_count(const struct plugin_registry *r) {
  return r->count;
}

const struct tollgate_plugin *plugin_at(const struct plugin_registry *r, size_t index) {
  return &r->plugins[index];
}

const struct tollgate_plugin *plugin_by_name(const struct plugin_registry *r, struct str name) {
  for (size_t i = 0; i < r->count; i++)
    if (str_eq(str_from(r->plugins[i].name), name)) return &r->plugins[i];
  return str_eq(name, STR(PLUGIN_NONE)) ? &plugin_none : NULL;
}

int plugin_meter(const struct tollgate_plugin *p, struct str name) {
  for (size_t i = 0; i < p->meter_count; i++)
    if (str_eq(str_from(p->meters[i].name), name)) return (int)i;
  return -1;
}
