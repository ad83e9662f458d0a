// Tries every row with every SDK before every kind of account, and prints a line for each. Arguments
// choose: each is a part of "client accounts row".
import { aiAnthropic, aiChat, aiGoogle, aiResponses } from "./ai.mjs";
import { anthropic } from "./anthropic.mjs";
import { genai } from "./genai.mjs";
import { chat, responses } from "./openai.mjs";
import { place, record, rig } from "./rig.mjs";
import { rows } from "./rows.mjs";

globalThis.AI_SDK_LOG_WARNINGS = false; // of what a provider lacks

const sdks = [chat, responses, anthropic, genai, aiChat, aiResponses, aiAnthropic, aiGoogle];
const only = process.argv.slice(2);

// Side by side, but for the rows that fill the machine by themselves.
const wide = { large: 2, parallel: 1 };
const bound = 120_000; // of a row: it hangs otherwise

const todo = { rest: [], large: [], parallel: [] };
for (const s of sdks) {
  for (const accounts of Object.keys(rig.accounts)) {
    for (const row of rig.rows) {
      const name = `${s.client} ${accounts} ${row}`;
      if (only.every((part) => name.includes(part))) (todo[row] ?? todo.rest).push({ s, p: place(s.client, accounts), row, name });
    }
  }
}

const counts = { pass: 0, fail: 0, skip: 0 };
async function tried({ s, p, row, name }) {
  let result = "pass";
  let detail = "";
  let timer;
  try {
    const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error("the row hangs")), bound)));
    const why = await Promise.race([rows[row](s, p), late]);
    if (why) [result, detail] = ["skip", why];
  } catch (err) {
    [result, detail] = ["fail", told(err)];
  } finally {
    clearTimeout(timer);
  }
  counts[result]++;
  console.log(`${{ pass: "ok    ", fail: "FAILED", skip: "none  " }[result]} ${name}${result === "skip" ? `: ${detail}` : ""}`);
  record(p, row, result, detail);
}

async function all(list, wide) {
  const next = list.values();
  await Promise.all(Array.from({ length: wide }, async () => {
    for (const one of next) await tried(one);
  }));
}
await all(todo.rest, 16);
for (const [row, n] of Object.entries(wide)) await all(todo[row], n);
console.log(`${counts.pass} passed, ${counts.fail} failed, ${counts.skip} do not exist, on Node ${process.version}`);
process.exit(counts.fail ? 1 : 0); // connections that SDKs keep would keep the process

// told is an error with the places in this folder where it came from.
function told(err) {
  const places = String(err?.stack ?? "").split("\n").filter((l) => /^\s+at .*test\/sdk\/node\/[a-z]+\.mjs/.test(l));
  return [String(err?.message ?? err).slice(0, 2000), ...places.slice(0, 3)].join("\n");
}
