// What the rig (test/sdk/rig) tells: addresses, keys, and what the simulated provider saw.
import assert from "node:assert/strict";
import { appendFileSync, readFileSync } from "node:fs";

export const rig = JSON.parse(readFileSync(process.env.TURNOUT_SDK_RIG, "utf8"));

// place is one SDK before one kind of account.
export const place = (client, accounts) => ({ client, accounts });

// secretOf is the caller's key for a pool, keyOf that of its n-th account at the provider.
export const secretOf = (p, pool) => `tk-sdk-${p.client}.${p.accounts}.${pool}`;
export const keyOf = (p, pool, n = 0) => rig.pools[pool][n].replace("%s", `${p.client}.${p.accounts}.${pool}.${n}`.replaceAll("-", "_"));

// seen gives what the provider saw of a key, once so many requests have ended.
export async function seen(key, { model, count = 0, body = false } = {}) {
  const q = new URLSearchParams({ key, count: String(count), body: body ? "1" : "0" });
  if (model) q.set("model", model);
  const r = await fetch(`${rig.journal}/requests?${q}`, { signal: AbortSignal.timeout(60_000) });
  return r.json();
}

// arrived waits until a request has reached the provider.
export const arrived = (key, model) => fetch(`${rig.journal}/arrived?${new URLSearchParams({ key, model })}`, { signal: AbortSignal.timeout(60_000) });

// modelOf is what an SDK asks for, sentOf what an account of its place is sent. Each row has a model of its own: so it
// finds its requests again, and no row shares what Turnout knows of a model. The words behave.
const rest = (p, row, words) => `${p.client}.${p.accounts}.${row}`.replaceAll("-", "_") + (words && `-${words}`);
export const modelOf = (s, p, row, words = "") => rig.asked[s.dialect] + rest(p, row, words);
export const sentOf = (p, row, words = "") => rig.accounts[p.accounts] + rest(p, row, words);

// pieces are the pieces of every text, as the provider streams them: the first n of them are what
// an answer of n pieces says.
export const pieces = await (async () => {
  const r = await fetch(`${rig.sim}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: "Bearer sk-sim-pieces-n200", "content-type": "application/json" },
    body: JSON.stringify({ model: "sim", stream: true, messages: [{ role: "user", content: "say it" }] }),
  });
  return (await r.text()).split("\n").filter((l) => l.startsWith("data: {")).map((l) => JSON.parse(l.slice(6)).choices[0]?.delta?.content).filter(Boolean);
})();
export const textOf = (n) => pieces.slice(0, n).join("");

// usageOf reads a provider's usage in the form that all are compared in: prompt with all that was cached,
// output with all that was thought.
const usageOf = {
  "/v1/messages": ({ usage: u }) => ({ prompt: u.input_tokens + (u.cache_read_input_tokens ?? 0) + (u.cache_creation_input_tokens ?? 0), output: u.output_tokens }),
  "/v1/chat/completions": ({ usage: u }) => ({ prompt: u.prompt_tokens, output: u.completion_tokens }),
  "/v1/responses": ({ usage: u }) => ({ prompt: u.input_tokens, output: u.output_tokens }),
  gemini: ({ usageMetadata: u }) => ({ prompt: u.promptTokenCount, output: (u.candidatesTokenCount ?? 0) + (u.thoughtsTokenCount ?? 0) }),
};

let replays = 0;

// replayed sends what Turnout sent to the provider once more, directly and with a fresh key, and
// gives the usage that the provider states.
export async function replayed(request) {
  const key = `sk-sim-replay.${process.pid}.${++replays}`;
  const path = request.path.split("?")[0].replace(":streamGenerateContent", ":generateContent");
  const body = JSON.parse(request.body);
  if (body.stream) delete body.stream, delete body.stream_options;
  const headers = { "content-type": "application/json" };
  for (const name of ["Anthropic-Version", "Anthropic-Beta"]) if (request.header[name]) headers[name] = request.header[name].join(",");
  if (request.header["Authorization"]) headers["authorization"] = `Bearer ${key}`;
  else if (request.header["X-Api-Key"]) headers["x-api-key"] = key;
  else headers["x-goog-api-key"] = key;
  const r = await fetch(rig.sim + path, { method: "POST", headers, body: JSON.stringify(body) });
  const answer = await r.json();
  assert.equal(r.status, 200, `the provider refused what Turnout had sent: ${JSON.stringify(answer)}`);
  return (usageOf[path] ?? usageOf.gemini)(answer);
}

// record notes a row's result for the rig's table.
export function record(p, row, result, detail = "") {
  appendFileSync(process.env.TURNOUT_SDK_RESULTS, JSON.stringify({ ...p, row, result, detail }) + "\n");
}
