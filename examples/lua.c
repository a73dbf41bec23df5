/* Scripts of strangers: each Lua state lives in a context with a hard limit, through Lua's own allocator hook.
 *
 * A script that wants too much gets Lua's "not enough memory", which pcall and the program can catch, and the program goes on. When the program is done with a state it drops
 * the context: no lua_close, no walk over the heap. (Finalizers, __gc, do not run then; call lua_close first if they matter.)
 *
 *     cc lua.c $(pkg-config --cflags --libs ctxalloc lua5.4)
 */
#include <string.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include <ctxalloc.h>

#include "must.h"

/* A lua_Alloc. `context` need not be current. Lua takes it that a block can always be made smaller. */
static void *lua_from_context(void *context, void *p, size_t old_size, size_t size) {
    if (!size) {
        free(p);
        return NULL;
    }
    void *q = ctxalloc_realloc(context, p, size);
    return !q && p && size <= old_size ? p : q;
}

static int script_run(lua_State *L, const char *text) {
    int status = luaL_loadstring(L, text);
    if (!status)
        status = lua_pcall(L, 0, 1, 0);
    return status;
}

static const char greedy[] = "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end";
static const char modest[] = "local t = {} for i = 1, 1000 do t[i] = 'line ' .. i end return #table.concat(t)";
static const char careful[] = "local ok, why = pcall(string.rep, 'x', 1 << 30) return (not ok) and why";

int main(void) {
    ctxalloc_usage_t usage, global[2];
    MUST(ctxalloc_usage(CTXALLOC_GLOBAL, &global[0]));
    for (int round = 0; round < 20; round++) {
        ctxalloc_options o = {.size = sizeof o, .name = "script", .hard_limit = 4 << 20};
        ctxalloc_context *c = ctxalloc_create(&o);
        MUST(c);
        lua_State *L = lua_newstate(lua_from_context, c);
        MUST(L && ctxalloc_owner(L) == c);
        luaL_openlibs(L);

        MUST(script_run(L, greedy) == LUA_ERRMEM);
        MUST(!strcmp(lua_tostring(L, -1), "not enough memory"));
        lua_settop(L, 0);
        MUST(ctxalloc_usage(c, &usage) && usage.refusals > 0 && usage.peak_bytes <= 4 << 20);
        if (!round)
            printf("greedy script: stopped at %llu bytes\n", (unsigned long long)usage.peak_bytes);

        /* The same state goes on; a script can catch it, too. */
        MUST(script_run(L, modest) == LUA_OK && lua_tointeger(L, -1) == 7893);
        lua_settop(L, 0);
        MUST(script_run(L, careful) == LUA_OK && !strcmp(lua_tostring(L, -1), "not enough memory"));

        MUST(ctxalloc_usage(c, &usage) && usage.live_blocks > 100);
        MUST(ctxalloc_destroy(c) == 0); /* and the state with it */
    }
    MUST(ctxalloc_usage(CTXALLOC_GLOBAL, &global[1]));
    MUST(global[1].live_blocks < global[0].live_blocks + 100); /* nothing of 20 states stayed */
    puts("the next script ran; 20 states dropped whole");
    return 0;
}
