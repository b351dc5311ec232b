// Runs the Actions of one trigger after another. Reads one request a line from stdin, writes one answer a line to
// stdout. Each Action has a new context, so that nothing of one sign-in is left for the next.
"use strict";
const vm = require("node:vm");

const MODULES = ["assert", "buffer", "crypto", "events", "path", "querystring", "string_decoder", "timers", "url", "util"];
const FUNCTIONS = { "post-login": "onExecutePostLogin", "credentials-exchange": "onExecuteCredentialsExchange" };
const MAX_LINE = 256; // Auth0 keeps this much of a console line.
const MAX_LINES = 100;

// Runs inside the context of an Action. It gets text and two functions from outside, and returns text.
function bootstrap(text, log, cached) {
  const { trigger, event, result } = JSON.parse(text);
  const missing = (path) => new Error(`${path} is not available in the offline tenant`);
  // A member that the offline tenant does not have can be read, so that code can test for it. A call fails.
  const strict = (members, path) =>
    new Proxy(members, {
      get: (target, name) => {
        if (name in target || typeof name === "symbol" || name === "then" || name === "toJSON") return target[name];
        const call = () => {
          throw missing(`${path}.${name}()`);
        };
        return strict(call, `${path}.${name}`);
      },
    });
  const named = (name, path) => {
    if (typeof name !== "string" || name === "") throw new TypeError(`${path}: the name must be a string`);
    return name;
  };
  const claim = (claims, path) => (name, value) => {
    if (value === undefined) delete claims[named(name, path)];
    else Object.defineProperty(claims, named(name, path), { value, enumerable: true, configurable: true, writable: true });
    return api;
  };
  const metadata = (changes, path) => (name, value) => {
    changes[named(name, path)] = value === undefined ? null : value;
    return api;
  };
  const accessToken = { setCustomClaim: claim(result.access_token, "api.accessToken.setCustomClaim()") };
  const cache = {
    get: (key) => cached("get", String(key)),
    set: (key, value, options) => cached("set", String(key), String(value), JSON.stringify(options || {})),
    delete: (key) => cached("delete", String(key)),
  };
  const members = { accessToken: strict(accessToken, "api.accessToken"), cache: strict(cache, "api.cache") };
  const api = strict(members, "api");
  if (trigger === "credentials-exchange") {
    const deny = (code, reason) => {
      result.denied = { code: String(code), reason: reason === undefined ? "" : String(reason) };
      return api;
    };
    members.access = strict({ deny }, "api.access");
  } else {
    const deny = (reason) => {
      result.denied = { code: "access_denied", reason: String(reason) };
      return api;
    };
    members.access = strict({ deny }, "api.access");
    const scopes = (add, remove) => (scope) => {
      const name = named(scope, "api.accessToken");
      if (!add.includes(name)) add.push(name);
      if (remove.includes(name)) remove.splice(remove.indexOf(name), 1);
      return api;
    };
    accessToken.addScope = scopes(result.added_scopes, result.removed_scopes);
    accessToken.removeScope = scopes(result.removed_scopes, result.added_scopes);
    members.idToken = strict({ setCustomClaim: claim(result.id_token, "api.idToken.setCustomClaim()") }, "api.idToken");
    const user = {
      setAppMetadata: metadata(result.app_metadata, "api.user.setAppMetadata()"),
      setUserMetadata: metadata(result.user_metadata, "api.user.setUserMetadata()"),
    };
    members.user = strict(user, "api.user");
    const setMetadata = (name, value) => {
      event.transaction.metadata[named(name, "api.transaction.setMetadata()")] = value;
      return api;
    };
    members.transaction = strict({ setMetadata }, "api.transaction");
  }
  const written = (value) => {
    if (typeof value === "string") return value;
    if (value instanceof Error) return String(value.stack);
    try {
      return JSON.stringify(value) ?? String(value);
    } catch {
      return String(value);
    }
  };
  const write = (...values) => log(values.map(written).join(" "));
  const console = { log: write, info: write, debug: write, warn: write, error: write, trace: write, dir: write };
  const fetch = async () => {
    throw missing("fetch()");
  };
  const finished = () => JSON.stringify({ result, metadata: event.transaction.metadata });
  return { event, api, console, fetch, finished };
}

function requireFor(name) {
  const plain = String(name).replace(/^node:/, "");
  if (MODULES.includes(plain)) return require(`node:${plain}`);
  const error = new Error(`require("${name}") is not available in the offline tenant: no npm modules, files or network`);
  error.code = "MODULE_NOT_FOUND";
  throw error;
}

const caches = new Map();

// The cache of a trigger. Values are text, as in Auth0. The offline tenant keeps them as long as its process runs.
function cacheOf(trigger) {
  if (!caches.has(trigger)) caches.set(trigger, new Map());
  const entries = caches.get(trigger);
  return (operation, key, value, options) => {
    if (operation === "delete") return void entries.delete(key);
    if (operation === "set") {
      if (entries.size >= 1000) entries.clear();
      const { ttl, expires_at: expires } = JSON.parse(options);
      entries.set(key, { value, expires: Math.min(expires ?? Infinity, Date.now() + (ttl ?? 86400000)) });
      return undefined;
    }
    const entry = entries.get(key);
    return entry === undefined || entry.expires <= Date.now() ? undefined : { value: entry.value };
  };
}

// The line of the Action in which an error was made, if its stack has it.
function lineOf(error, name) {
  const stack = String((error && error.stack) || "");
  const place = stack.indexOf(`${name}:`);
  const found = place < 0 ? null : /^:(\d+)/.exec(stack.slice(place + name.length));
  return found ? Number(found[1]) : null;
}

function messageOf(error) {
  try {
    return String(error && error.message !== undefined ? error.message : error);
  } catch {
    return "an error without a message";
  }
}

let reject = () => {};
process.on("uncaughtException", (error) => reject(error));
process.on("unhandledRejection", (error) => reject(error));

async function runAction(action, trigger, state, limit) {
  const timers = new Set();
  const log = (text) => {
    if (state.logs.length < MAX_LINES) state.logs.push({ action: action.name, text: String(text).slice(0, MAX_LINE) });
  };
  const timer = (start) => (call, delay, ...values) => {
    const handle = start(call, delay, ...values);
    timers.add(handle);
    return handle;
  };
  const globals = {
    URL, URLSearchParams, TextEncoder, TextDecoder, Buffer, atob, btoa, structuredClone, crypto, AbortController,
    setTimeout: timer(setTimeout), setInterval: timer(setInterval), setImmediate: timer(setImmediate),
    clearTimeout, clearInterval, clearImmediate, queueMicrotask,
  };
  const context = vm.createContext(globals, { codeGeneration: { strings: false, wasm: false } });
  const filename = action.name;
  const event = { ...state.event, secrets: action.secrets };
  const text = JSON.stringify({ trigger, event, result: state.result });
  const parts = vm.runInContext(`(${bootstrap})`, context)(text, log, cacheOf(trigger));
  context.console = parts.console;
  context.fetch = parts.fetch;
  const exported = vm.runInContext("({ exports: {} })", context);
  const wrapped = `(function (exports, require, module) {${action.code}\n})`;
  context.__module = vm.runInContext(wrapped, context, { filename });
  context.__values = [exported, requireFor, parts.event, parts.api, FUNCTIONS[trigger]];
  const failed = new Promise((_, refuse) => {
    reject = refuse;
  });
  try {
    // The time limit of the context ends a loop that never returns, also after the tenant's process has gone.
    const start = `(async () => {
      const load = __module;
      const [module, require, event, api, name] = __values;
      delete globalThis.__module;
      delete globalThis.__values;
      load.call(module.exports, module.exports, require, module);
      const main = module.exports[name];
      if (typeof main !== "function") throw new Error("exports." + name + " is not a function");
      await main(event, api);
    })()`;
    await Promise.race([vm.runInContext(start, context, { timeout: limit }), failed]);
    return parts.finished();
  } finally {
    reject = () => {};
    for (const handle of timers) {
      clearTimeout(handle);
      clearImmediate(handle);
    }
  }
}

async function answer(request) {
  const result = {
    access_token: {}, id_token: {}, added_scopes: [], removed_scopes: [], app_metadata: {}, user_metadata: {},
    denied: null, failed: null,
  };
  const state = { event: request.event, result, logs: [] };
  for (const action of request.actions) {
    try {
      const finished = JSON.parse(await runAction(action, request.trigger, state, request.limit));
      state.result = finished.result;
      state.event = { ...state.event, transaction: { ...state.event.transaction, metadata: finished.metadata ?? {} } };
    } catch (error) {
      state.result.failed = { action: action.name, message: messageOf(error), line: lineOf(error, action.name) };
    }
    if (state.result.failed || state.result.denied) {
      if (state.result.denied) state.result.denied.action = action.name;
      break;
    }
  }
  return { ...state.result, logs: state.logs };
}

let pending = "";
let queue = Promise.resolve();
process.stdin.setEncoding("utf8");
process.stdin.on("end", () => process.exit(0));
process.stdin.on("data", (text) => {
  const lines = (pending + text).split("\n");
  pending = lines.pop();
  for (const line of lines) {
    queue = queue.then(async () => process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line)))}\n`));
  }
});
