// Proves the table of keep-alives (internal/gateway/keepalive.go) with the real clients.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as claude from "./claude.mjs";
import { sleep, start, stop } from "./rig.mjs";
import * as sdk from "./sdk.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const flags = process.argv.slice(3);
const long = flags.includes("long");
const only = flags.find((f) => f !== "long"); // a part of a row's name

const version = (name) => JSON.parse(readFileSync(join(here, "node_modules", name, "package.json"), "utf8")).version;
const versions = {
  "Anthropic SDK": version("@anthropic-ai/sdk"),
  "OpenAI SDK": version("openai"),
  "Claude Code": version("@anthropic-ai/claude-code"),
  Codex: version("@openai/codex"),
};
const versionOf = (client) => versions[Object.keys(versions).find((v) => client.startsWith(v))];

// Codex speaks the Responses API alone, which Turnout does not serve yet.
const codex = {
  client: "Codex",
  what: "starts; there is no Responses API for it yet",
  run: async () => execFileSync(process.execPath, [join(here, "node_modules", "@openai", "codex", "bin", "codex.js"), "--version"], { encoding: "utf8" }).trim(),
};

async function prove(row) {
  try {
    return { ...row, ok: true, evidence: await row.run() };
  } catch (err) {
    return { ...row, ok: false, evidence: err.message };
  }
}

const rows = [...sdk.rows(), ...claude.rows(long), codex].filter((r) => !only || `${r.client}: ${r.what}`.includes(only));
const began = Date.now();
let failed = 0;
try {
  await start(process.argv[2]);
  console.log(`${rows.length} rows on Node ${process.version}, side by side: about ${long ? 14 : 2} minutes.\n`);
  // Nearly all of it is waiting. What costs a processor (Claude Code's start) is spread.
  let at = 0;
  const results = await Promise.all(rows.map((row) => {
    const wait = row.client === "Claude Code" ? (at += 3000) : 0;
    return sleep(wait).then(() => prove(row));
  }));
  for (const r of results) {
    if (!r.ok) failed++;
    console.log(`${r.ok ? "ok    " : "FAILED"}  ${`${r.client} ${versionOf(r.client)}`.padEnd(38)} ${r.what}`);
    console.log(`        ${r.evidence.trim().replaceAll("\n", "\n        ")}`);
  }
} finally {
  await stop();
}
console.log(`\n${rows.length - failed} borne out, ${failed} not, in ${Math.round((Date.now() - began) / 1000)}s`);
process.exitCode = failed ? 1 : 0;
