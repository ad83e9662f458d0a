// The SDKs: each behaviour with a raw stream and with the helper that accumulates it.
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import assert from "node:assert/strict";
import { cell, sim, signsOf, settled, times } from "./rig.mjs";

const args = `{"city":"Bern","days":3}`; // two fragments
const schema = { type: "object", properties: { city: { type: "string" }, days: { type: "integer" } }, required: ["city", "days"] };
const claude = "claude-cli/2.1.330 (external, sdk-cli)"; // asks for empty deltas inside blocks

// What is silent where. least is how many signs must have come, of each kind, with two requests.
const silences = {
  "before the answer": { words: "ttft35000-n3", least: { start: 6 }, patient: true },
  "before the first event": { words: "headersthen35000-n3", least: { start: 6 } },
  "in the text": { words: "n3-d25000", least: { inside: 8 } },
  "in tool arguments": { words: "d25000", tool: true, least: { inside: 4 } },
  "in thinking": { words: "n2-d12000", thinking: true, least: { inside: 16 } },
};

const pick = (block) => Object.fromEntries(["type", "text", "thinking", "signature", "name", "input"].filter((k) => block[k] !== undefined).map((k) => [k, block[k]]));
const shape = (m) => ({ role: m.role, content: m.content.map(pick), stop: m.stop_reason, output: m.usage.output_tokens });

function anthropicAsk(s) {
  const q = { model: "claude-sim", max_tokens: 4000, messages: [{ role: "user", content: s.tool ? `use tool weather with ${args}` : "say it" }] };
  if (s.tool) q.tools = [{ name: "weather", description: "the weather", input_schema: schema }];
  if (s.thinking) q.thinking = { type: "enabled", budget_tokens: 1024 };
  return q;
}

// byHand accumulates a raw stream as many programs do.
async function byHand(stream) {
  let m;
  const parts = [];
  for await (const e of stream) {
    if (e.type === "message_start") m = e.message;
    if (e.type === "content_block_start") parts[e.index] = { ...e.content_block, input: undefined, json: "" };
    if (e.type === "content_block_delta") {
      const [b, d] = [parts[e.index], e.delta];
      if (d.type === "text_delta") b.text += d.text;
      if (d.type === "thinking_delta") b.thinking += d.thinking;
      if (d.type === "signature_delta") b.signature = d.signature;
      if (d.type === "input_json_delta") b.json += d.partial_json;
    }
    if (e.type === "content_block_stop" && parts[e.index].type === "tool_use") parts[e.index].input = JSON.parse(parts[e.index].json);
    if (e.type === "message_delta") Object.assign(m, e.delta, { usage: { ...m.usage, ...e.usage } });
  }
  return { ...m, content: parts };
}

function anthropicRow(where, s, agent) {
  const c = cell(`an-${agent ? "cli" : "sdk"}-${where.replaceAll(" ", "-")}`, { words: s.words, patient: s.patient });
  return {
    client: agent ? "Anthropic SDK as claude-cli" : "Anthropic SDK",
    what: `silence ${where}`,
    run: async () => {
      const quick = new Anthropic({ baseURL: sim.url, apiKey: `sk-sim-reference-${s.words.replace(/(ttft|headersthen|d)\d+-?/g, "")}` });
      const want = shape(await quick.messages.create(anthropicAsk(s)));
      const client = new Anthropic({ baseURL: c.url, apiKey: c.key, defaultHeaders: agent ? { "User-Agent": agent } : {} });
      const [raw, helped] = await Promise.all([
        client.messages.create({ ...anthropicAsk(s), stream: true }).then(byHand),
        client.messages.stream(anthropicAsk(s)).finalMessage(),
      ]);
      assert.deepEqual(shape(raw), want, "raw stream");
      assert.deepEqual(shape(helped), want, "helper");
      await settled(c, 2);
      assert.equal(c.upstream.length, 2, "upstream requests");
      // The first delta of arguments is empty, from the provider.
      const own = s.tool ? 2 : 0;
      const signs = agent && s.least.inside ? c.signs.empty - own : c.signs.pings;
      const least = s.least.inside ?? s.least.start;
      assert.ok(signs >= least, `${signsOf(c)}, want ${least}`);
      return `raw stream and helper equal the provider's JSON answer; ${signsOf(c)}; 2 upstream requests for 2`;
    },
  };
}

const chatShape = (c) => ({
  content: c.choices[0].message.content ?? null,
  calls: (c.choices[0].message.tool_calls ?? []).map((t) => ({ type: t.type, name: t.function.name, arguments: t.function.arguments })),
  finish: c.choices[0].finish_reason,
});

function chatAsk(s) {
  const q = { model: "gpt-5", messages: [{ role: "user", content: s.tool ? `use tool weather with ${args}` : "say it" }] };
  if (s.tool) q.tools = [{ type: "function", function: { name: "weather", description: "the weather", parameters: schema } }];
  return q;
}

async function chatByHand(stream) {
  const message = { content: null, tool_calls: [] };
  let finish;
  for await (const chunk of stream) {
    const choice = chunk.choices[0];
    if (!choice) continue;
    if (choice.delta.content) message.content = (message.content ?? "") + choice.delta.content;
    for (const t of choice.delta.tool_calls ?? []) {
      const call = (message.tool_calls[t.index] ??= { type: t.type, function: { name: t.function.name, arguments: "" } });
      call.function.arguments += t.function.arguments ?? "";
    }
    finish = choice.finish_reason ?? finish;
  }
  return { choices: [{ message, finish_reason: finish }] };
}

function openaiRow(where, s) {
  const words = s.thinking ? "n2-think35000" : s.words; // the protocol shows no thinking: one silence
  const least = s.thinking ? 6 : (s.least.inside ?? s.least.start);
  const c = cell(`oa-${where.replaceAll(" ", "-")}`, { words, platform: "openai-compatible", patient: s.patient });
  return {
    client: "OpenAI SDK",
    what: `silence ${where}`,
    run: async () => {
      const quick = new OpenAI({ baseURL: sim.url + "/v1", apiKey: `sk-sim-reference-${words.replace(/(ttft|headersthen|think|d)\d+-?/g, "")}` });
      const want = chatShape(await quick.chat.completions.create(chatAsk(s)));
      const client = new OpenAI({ baseURL: c.url + "/v1", apiKey: c.key });
      const [raw, helped] = await Promise.all([
        client.chat.completions.create({ ...chatAsk(s), stream: true }).then(chatByHand),
        client.chat.completions.stream(chatAsk(s)).finalChatCompletion(),
      ]);
      assert.deepEqual(chatShape(raw), want, "raw stream");
      assert.deepEqual(chatShape(helped), want, "helper");
      await settled(c, 2);
      assert.equal(c.upstream.length, 2, "upstream requests");
      assert.ok(c.signs.comments >= least, `${signsOf(c)}, want ${least}`);
      return `raw stream and helper equal the provider's JSON answer; ${signsOf(c)}; 2 upstream requests for 2`;
    },
  };
}

// failRow counts what one call costs while the only account always fails.
function failRow(client, words, make) {
  const c = cell(`${client === "OpenAI SDK" ? "oa" : "an"}-${words}`, { words, platform: client === "OpenAI SDK" ? "openai-compatible" : "anthropic-compatible" });
  return {
    client,
    what: `one account that always answers ${words}`,
    run: async () => {
      const began = Date.now();
      let told;
      try {
        await make(c);
      } catch (err) {
        told = `${err.status} ${err.constructor.name}`;
      }
      assert.ok(told, "the call did not fail");
      const took = ((Date.now() - began) / 1000).toFixed(1);
      await settled(c, 1);
      const text = `${c.upstream.length} upstream requests at ${times(c)}; ${c.asked.length} of the client; ${told} after ${took}s`;
      assert.ok(c.upstream.length <= 8, text);
      return text;
    },
  };
}

export function rows() {
  const out = [];
  for (const [where, s] of Object.entries(silences)) {
    out.push(anthropicRow(where, s), anthropicRow(where, s, claude), openaiRow(where, s));
  }
  for (const words of ["fail503", "fail429-ra2"]) {
    out.push(
      failRow("Anthropic SDK", words, (c) => new Anthropic({ baseURL: c.url, apiKey: c.key }).messages.stream(anthropicAsk({})).finalMessage()),
      failRow("OpenAI SDK", words, (c) => new OpenAI({ baseURL: c.url + "/v1", apiKey: c.key }).chat.completions.stream(chatAsk({})).finalChatCompletion()),
    );
  }
  return out;
}
