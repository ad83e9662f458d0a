// The rows: what is tried with every SDK before every kind of account. Each gives nothing, or why it does not
// exist there; it throws what is wrong.
import assert from "node:assert/strict";
import { arrived, keyOf, modelOf, pieces, replayed, rig, secretOf, seen, sentOf, textOf } from "./rig.mjs";
import { journey, results, system, toolPrompt, wanted } from "./tools.mjs";

const say = "Say where the train goes. marker-prompt-55d0";

// gateway connects through Turnout, with the key of a pool.
const gateway = (s, p, pool = "healthy") => s.connect(rig.gateway, secretOf(p, pool));
// direct connects to the provider itself, in the SDK's own dialect.
const direct = (s, row) => s.connect(rig.sim, `sk-sim-direct.${s.client}.${row}`.replaceAll("-", "_").replace("sk_sim_", "sk-sim-"));

// whole checks an answer of n pieces.
function whole(a, n) {
  assert.equal(a.text, textOf(n));
  assert.equal(a.end, "stop");
  if (a.streamed !== undefined) assert.equal(a.streamed, textOf(n), "the pieces of the stream");
}

// same compares an answer with what the provider says directly to the same SDK.
function same(got, want) {
  for (const part of ["text", "end", "calls", "thoughts"]) {
    const plain = (v) => (part === "calls" ? v?.map((c) => ({ name: c.name, args: c.args })) : v);
    assert.deepEqual(plain(got[part]), plain(want[part]), part);
  }
}

// costs checks that an answer states the usage which the provider states for what Turnout sent.
async function costs(p, sent, answer, count = 1) {
  const all = await seen(keyOf(p, "healthy"), { model: sent, count, body: true });
  const want = await replayed(all[count - 1]);
  assert.deepEqual({ prompt: answer.usage.prompt, output: answer.usage.output }, want, "usage");
}

async function failing(call) {
  try {
    await call();
  } catch (err) {
    return err;
  }
  assert.fail("the call did not fail");
}

// refused checks an error of an SDK's own class. want: status, and by dialect a part of what it says.
function refused(s, err, want) {
  const f = s.fault(err);
  const text = JSON.stringify(f);
  const statuses = [want.status].flat();
  assert.ok(statuses.includes(f.status), `status ${statuses}: ${text}\n${err.stack}`);
  const classes = { 400: "BadRequestError", 401: "AuthenticationError", 404: "NotFoundError", 429: "RateLimitError" };
  const sdk = { "ai-": "APICallError", "genai-": "ApiError" };
  const mine = Object.entries(sdk).find(([begin]) => s.client.startsWith(begin))?.[1];
  assert.equal(f.class, mine ?? classes[f.status] ?? "InternalServerError", text);
  for (const [part, value] of Object.entries(want[s.dialect] ?? {})) {
    if (value instanceof RegExp) assert.match(String(f[part]), value, `${part}: ${text}`);
    else assert.equal(f[part], value, `${part}: ${text}`);
  }
  assert.doesNotMatch(f.message ?? "", /sk-(sim|bad)/, "the account's key is told");
  return f;
}

export const rows = {
  async text(s, p) {
    const q = { model: modelOf(s, p, "text", "n23"), system, prompt: say };
    const got = await gateway(s, p).ask(q);
    whole(got, 23);
    if (got.model !== undefined) assert.equal(got.model, sentOf(p, "text", "n23"), "the model that answered");
    same(got, await direct(s, "text").ask(q));
    const [up] = await seen(keyOf(p, "healthy"), { model: sentOf(p, "text", "n23"), count: 1, body: true });
    for (const marker of ["marker-prompt-55d0", "marker-system-7f3a"]) assert.equal(up.body.split(marker).length, 2, `${marker} once in ${up.body}`);
    assert.equal(up.stream, false);
  },

  async stream(s, p) {
    const q = { model: modelOf(s, p, "stream", "n23"), system, prompt: say };
    let n = 0;
    const got = await gateway(s, p).stream({ ...q, piece: () => n++ });
    whole(got, 23);
    assert.ok(n > 1, `${n} pieces`);
    same(got, await direct(s, "stream").stream(q));
    const [up] = await seen(keyOf(p, "healthy"), { model: sentOf(p, "stream", "n23"), count: 1 });
    assert.equal(up.stream, true);
  },

  tools: (s, p) => roundTrip(s, p, "ask"),
  "tools-stream": (s, p) => roundTrip(s, p, "stream"),
  async "tools-thinking"(s, p) {
    await roundTrip(s, p, "ask", true);
    await roundTrip(s, p, "stream", true);
  },

  async structured(s, p) {
    const got = await gateway(s, p).structured({ model: modelOf(s, p, "structured"), prompt: say });
    assert.deepEqual(got, journey);
  },

  async usage(s, p) {
    for (const how of ["ask", "stream"]) {
      const row = `usage.${how}`;
      const got = await gateway(s, p)[how]({ model: modelOf(s, p, row, "n31"), system, prompt: say });
      assert.equal(got.usage.output, 31, how);
      await costs(p, sentOf(p, row, "n31"), got);
    }
  },

  async "usage-cached"(s, p) {
    const q = { model: modelOf(s, p, "cached", "n5"), prompt: `${say} ${textOf(200).repeat(10)}`, cache: true };
    const c = gateway(s, p);
    const first = await c.ask(q);
    const second = await c.ask(q);
    assert.equal(first.usage.cached, 0, "cached the first time");
    assert.equal(second.usage.prompt, first.usage.prompt, "the prompt with and without the cache");
    await costs(p, sentOf(p, "cached", "n5"), second, 2);
    // Anthropic's cache is asked for, which the other dialects cannot; the others' is automatic.
    if (p.accounts !== "anthropic" || s.dialect === "anthropic") assert.ok(second.usage.cached > 1000, `${second.usage.cached} cached of ${second.usage.prompt}`);
  },

  async reasoning(s, p) {
    for (const how of ["ask", "stream"]) {
      const q = { model: modelOf(s, p, `reasoning.${how}`, "n12"), prompt: say, think: true };
      const got = await gateway(s, p)[how](q);
      whole(got, 12);
      assert.equal(got.usage.output, 20, "8 pieces of thinking, 12 of text");
      // Anthropic does not say how many of the output's tokens are thoughts.
      if (s.dialect !== "anthropic" && p.accounts !== "anthropic") assert.equal(got.usage.reasoning, 8, "reasoning tokens");
      // Chat Completions has no place for thoughts; every other dialect shows them.
      if (s.dialect !== "openai-chat" && p.accounts !== "openai-compatible") assert.equal(got.thoughts, "Which track is free? Let me look. There.", how);
    }
  },

  async models(s, p) {
    const c = gateway(s, p);
    if (!c.models) return "this SDK lists no models";
    assert.deepEqual(await c.models(), ["claude-sonnet-4-5-1", "gemini-2.5-pro-1", "gpt-5-1"]);
  },

  async "bad-request"(s, p) {
    const err = await failing(() => gateway(s, p, "bad-request").ask({ model: modelOf(s, p, "bad-request"), prompt: say }));
    refused(s, err, { status: 400, anthropic: { kind: "invalid_request_error" }, "openai-chat": { kind: "invalid_request_error" }, "openai-responses": { kind: "invalid_request_error" }, gemini: { kind: "INVALID_ARGUMENT" } });
    const up = await seen(keyOf(p, "bad-request"), { count: 1 });
    assert.equal(up.length, 1, "what is the caller's fault is tried once");
  },

  async context(s, p) {
    const err = await failing(() => gateway(s, p, "context").ask({ model: modelOf(s, p, "context"), prompt: say }));
    refused(s, err, {
      status: 400,
      anthropic: { kind: "invalid_request_error", message: /prompt is too long/i },
      "openai-chat": { code: "context_length_exceeded" },
      "openai-responses": { code: "context_length_exceeded" },
      gemini: { kind: "INVALID_ARGUMENT", message: /token|context|too long/i },
    });
  },

  async unauthorized(s, p) {
    const err = await failing(() => s.connect(rig.gateway, "tk-sdk-nobody-0123456789").ask({ model: modelOf(s, p, "unauthorized"), prompt: say }));
    refused(s, err, { status: 401, anthropic: { kind: "authentication_error" }, "openai-chat": { code: "invalid_api_key" }, "openai-responses": { code: "invalid_api_key" }, gemini: { kind: "UNAUTHENTICATED" } });
  },

  async "not-found"(s, p) {
    const err = await failing(() => gateway(s, p).ask({ model: "absent-1", prompt: say }));
    refused(s, err, { status: 404, anthropic: { kind: "not_found_error" }, "openai-chat": { code: "model_not_found" }, "openai-responses": { code: "model_not_found" }, gemini: { kind: "NOT_FOUND" } });
  },

  async "model-gone"(s, p) {
    const err = await failing(() => gateway(s, p, "model-gone").ask({ model: modelOf(s, p, "model-gone"), prompt: say }));
    refused(s, err, { status: 404, anthropic: { kind: "not_found_error" }, "openai-chat": { code: "model_not_found" }, "openai-responses": { code: "model_not_found" }, gemini: { kind: "NOT_FOUND" } });
  },

  async limited(s, p) {
    for (const how of ["ask", "stream"]) {
      const err = await failing(() => gateway(s, p, "limited")[how]({ model: modelOf(s, p, "limited"), prompt: say }));
      const f = refused(s, err, { status: 429, anthropic: { kind: "rate_limit_error" }, gemini: { kind: "RESOURCE_EXHAUSTED" } });
      assert.ok(Number(f.retryAfter) > 200 && Number(f.retryAfter) <= 301, `retry after: ${JSON.stringify(f)}`);
      if (s.dialect !== "gemini") assert.equal(f.shouldRetry, "false", "no SDK is to sleep that long");
    }
    const up = await seen(keyOf(p, "limited"), { count: 1 });
    assert.equal(up.length, 1, "a limit that was told is kept");
  },

  internal: (s, p) => down(s, p, "internal", [500, 502, 503]),
  unavailable: (s, p) => down(s, p, "unavailable", [502, 503, 529]),
  // A bad key of an account is the operator's matter: callers take a 401 for their own key.
  "account-key": (s, p) => down(s, p, "account-key", [502, 503]),

  async broken(s, p) {
    let text = "";
    const err = await failing(() => gateway(s, p, "broken").stream({ model: modelOf(s, p, "broken"), prompt: say, piece: (t) => (text = t) }));
    assert.ok(textOf(5).startsWith(text), `a part of the answer: ${JSON.stringify(text)}`);
    assert.ok(err instanceof Error, String(err));
  },

  async abort(s, p) {
    // In the middle of a stream.
    let leave = new AbortController();
    let text = "";
    let ended;
    try {
      ended = await gateway(s, p).stream({ model: modelOf(s, p, "abort", "n200-d50"), prompt: say, signal: leave.signal, piece: (t) => ((text = t), leave.abort()) });
    } catch {} // some SDKs throw, some end the iteration
    assert.ok(text && text.length < textOf(200).length, "the caller left in the middle");
    assert.notEqual(ended?.text, textOf(200));
    let [up] = await seen(keyOf(p, "healthy"), { model: sentOf(p, "abort", "n200-d50"), count: 1 });
    assert.equal(up.outcome, "aborted", JSON.stringify(up));
    // While it waits for an answer in one piece.
    leave = new AbortController();
    const sent = sentOf(p, "abort.ask", "ttft9000");
    arrived(keyOf(p, "healthy"), sent).then(() => leave.abort());
    await failing(() => gateway(s, p).ask({ model: modelOf(s, p, "abort.ask", "ttft9000"), prompt: say, signal: leave.signal }));
    [up] = await seen(keyOf(p, "healthy"), { model: sent, count: 1 });
    assert.equal(up.outcome, "aborted", JSON.stringify(up));
  },

  async large(s, p) {
    const model = modelOf(s, p, "large", "n3");
    const line = "A train of five thousand kilobytes is a long train indeed. ";
    const text = `${line.repeat(Math.ceil((5 << 20) / line.length))} marker-end-e7c1`;
    const got = await gateway(s, p).ask({ model, prompt: text });
    whole(got, 3);
    const [up] = await seen(keyOf(p, "healthy"), { model: sentOf(p, "large", "n3"), count: 1, body: true });
    assert.ok(up.body.includes(text), "the whole text arrived");
    assert.deepEqual({ prompt: got.usage.prompt, output: got.usage.output }, await replayed(up), "usage");
  },

  async parallel(s, p) {
    const c = gateway(s, p);
    const all = await Promise.all(Array.from({ length: 50 }, (_, i) => c[i % 2 ? "stream" : "ask"]({ model: modelOf(s, p, "parallel", `n${i + 1}`), prompt: say })));
    all.forEach((a, i) => whole(a, i + 1));
  },
};

for (const row of ["failover-503", "failover-429", "failover-cut", "failover-start", "failover-key"]) {
  rows[row] = async (s, p) => {
    for (const how of ["ask", "stream"]) {
      const pool = how === "stream" ? `${row}-stream` : row;
      whole(await gateway(s, p, pool)[how]({ model: modelOf(s, p, pool, "n21"), prompt: say }), 21);
      const [first, second] = await Promise.all([seen(keyOf(p, pool, 0), { count: 1 }), seen(keyOf(p, pool, 1), { count: 1 })]);
      assert.notEqual(first[0].outcome, "ok", `${how}: the first account failed`);
      assert.deepEqual(second.map((r) => r.outcome), ["ok"], `${how}: the second account answered once`);
    }
  };
}

async function roundTrip(s, p, how, think = false) {
  const row = `tools.${how}${think ? "think" : ""}`;
  const q = { model: modelOf(s, p, row, "n17"), system, prompt: toolPrompt, think };
  const { first, last } = await gateway(s, p).round(q, how);
  assert.deepEqual(first.calls.map((c) => ({ name: c.name, args: c.args })), wanted, "calls");
  assert.equal(first.end, "tools");
  whole(last, 17);
  if (!think) { // thoughts have no place in some dialects
    const want = await direct(s, `tools-${how}`).round(q, how);
    same(first, want.first);
    same(last, want.last);
  }
  const up = await seen(keyOf(p, "healthy"), { model: sentOf(p, row, "n17"), count: 2, body: true });
  for (const [name, text] of Object.entries(results)) assert.ok(up[1].body.includes(text), `the result of ${name} arrived: ${up[1].body}`);
}

// down checks what is told of a provider that answers nobody.
async function down(s, p, pool, status) {
  const err = await failing(() => gateway(s, p, pool).ask({ model: modelOf(s, p, pool), prompt: say }));
  const f = refused(s, err, { status });
  if (s.dialect !== "gemini") assert.ok(f.shouldRetry === "false" || f.retryAfter, `the SDK's own retries are steered: ${JSON.stringify(f)}`);
}

assert.ok(pieces.length === 200, `${pieces.length} pieces`);
