// The agents, each as its user runs it without a terminal. docs/protocols/agents.md tells users the same
// settings; what only the rig needs (nothing may leave this machine) is marked here.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { rig } from "./rig.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, "node_modules");
const { platform, arch } = process;
const exe = platform === "win32" ? ".exe" : "";

// The packages' install scripts do not run: the programs stand in a package for each platform.
const codexTargets = { "linux-x64": "x86_64-unknown-linux-musl", "linux-arm64": "aarch64-unknown-linux-musl", "darwin-x64": "x86_64-apple-darwin", "darwin-arm64": "aarch64-apple-darwin" };
const programs = {
  claude: join(modules, "@anthropic-ai", `claude-code-${platform}-${arch}`, `claude${exe}`),
  codex: join(modules, "@openai", `codex-${platform}-${arch}`, "vendor", codexTargets[`${platform}-${arch}`] ?? "", "bin", `codex${exe}`),
  // The package opencode-ai is a launcher of these. The baseline is the same program for every processor.
  opencode: join(modules, `opencode-${platform}-${arch}-baseline`, "bin", `opencode${exe}`),
  gemini: join(modules, "@google", "gemini-cli", "bundle", "gemini.js"),
};

// Gemini CLI needs Node.js 20, and a stable Debian may have 18: it runs with the one that is among the packages.
const bundled = join(modules, `node-${platform}-${arch}`, "bin", "node");
const node = existsSync(bundled) ? bundled : process.execPath;

// installed: not every agent's package is pinned for every platform (package.json).
export const installed = (agent) => existsSync(agent.program);
export const version = (agent) => JSON.parse(readFileSync(join(modules, agent.package, "package.json"), "utf8")).version;

// What the tools have to bring about, and what of their results nobody but they can say.
export const made = "made-by-a-tool";
export const file = "made.txt";
const command = `printf ${made} > ${file} && wc -c ${file}`;
const counted = `${made.length} ${file}`;
const at = (work) => join(work, file);

// ask makes the simulated model call a tool.
const ask = (tool, args) => `use tool ${tool} with ${JSON.stringify(args)}`;

// Claude Code. Only the base URL and the token are needed; the other two keep it off the network.
export const claude = {
  client: "Claude Code", package: "@anthropic-ai/claude-code", program: programs.claude, native: "anthropic", requests: 2, session: true,
  tasks: {
    shell: { prompt: () => ask("Bash", { command }), result: counted },
    edit: { prompt: (work) => ask("Write", { file_path: at(work), content: made }), result: "File created successfully" },
  },
  start: (c, prompt) => ({
    command: programs.claude,
    args: ["-p", prompt, "--allowedTools", "Bash,Write"],
    env: {
      ANTHROPIC_BASE_URL: rig.url, ANTHROPIC_AUTH_TOKEN: c.key,
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1", DISABLE_AUTOUPDATER: "1",
    },
  }),
};

// Codex with the model that it takes by itself: its tools stand in groups, in the conversation and not beside it, and the
// one that does the work is a custom tool that takes a program.
// In its own dialect its name is functions.exec, elsewhere functions__exec: the prompt names both.
const askExec = (input) => ["functions.exec", "functions__exec"].map((name) => ask(name, { input })).join("\n");
const patch = `*** Begin Patch\n*** Add File: ${file}\n+${made}\n*** End Patch\n`;

function codexStart(model) {
  return (c, prompt) => ({
    command: programs.codex,
    args: ["exec", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", prompt],
    files: {
      ".codex/config.toml": `${model ? `model = "${model}"\n` : ""}model_provider = "turnout"
check_for_update_on_startup = false # the rig's, as the two sections below

[analytics]
enabled = false

[features]
plugins = false # asks github.com

[model_providers.turnout]
name = "Turnout"
base_url = "${rig.url}/v1"
env_key = "TURNOUT_KEY"
wire_api = "responses"
`,
    },
    env: { TURNOUT_KEY: c.key },
  });
}

export const codex = {
  client: "Codex", package: "@openai/codex", program: programs.codex, native: "openai", requests: 2, session: true,
  tasks: {
    shell: { prompt: () => askExec(`text((await tools.exec_command(${JSON.stringify({ cmd: command })})).output)`), result: counted },
    edit: { prompt: () => askExec(`await tools.apply_patch(${JSON.stringify(patch)}); text("patched " + (40 + 2))`), result: "patched 42" },
  },
  start: codexStart(),
};

// Codex with a model that it gives single tools: functions, and a custom tool that takes a patch.
export const codexClassic = {
  client: "Codex, gpt-5.5", package: "@openai/codex", program: programs.codex, native: "openai", requests: 2, session: true,
  tasks: {
    shell: { prompt: () => ask("exec_command", { cmd: command }), result: counted },
    edit: { prompt: () => ask("apply_patch", { input: patch }), result: "Success. Updated the following files" },
  },
  start: codexStart("gpt-5.5"),
};

// Gemini CLI. Without the settings a base URL alone makes it choose a way to sign in that it then refuses.
export const gemini = {
  client: "Gemini CLI", package: "@google/gemini-cli", program: programs.gemini, native: "gemini", requests: 2,
  tasks: {
    shell: { prompt: () => ask("run_shell_command", { command, description: "write" }), result: counted },
    edit: { prompt: (work) => ask("write_file", { file_path: at(work), content: made }), result: "Successfully created" },
  },
  start: (c, prompt) => ({
    command: node,
    args: [programs.gemini, "--yolo", "--model", "gemini-3.1-pro-preview", "--prompt", prompt],
    files: {
      ".gemini/settings.json": JSON.stringify({
        security: { auth: { selectedType: "gemini-api-key" } },
        privacy: { usageStatisticsEnabled: false },
        general: { enableAutoUpdate: false },
      }),
    },
    env: { GOOGLE_GEMINI_BASE_URL: rig.url, GEMINI_API_KEY: c.key, GEMINI_CLI_TRUST_WORKSPACE: "true" },
  }),
};

// OpenCode, once for each protocol that its providers speak. It asks for a title beside the task.
const opencodeProviders = {
  "openai-compatible": { npm: "@ai-sdk/openai-compatible", path: "/v1", model: "qwen3-coder" },
  openai: { npm: "@ai-sdk/openai", path: "/v1", model: "gpt-5.5" },
  anthropic: { npm: "@ai-sdk/anthropic", path: "/v1", model: "claude-sonnet-4-5" },
  gemini: { npm: "@ai-sdk/google", path: "/v1beta", model: "gemini-3.1-pro-preview" },
};

export const opencode = Object.fromEntries(Object.entries(opencodeProviders).map(([native, { npm, path, model }]) => [native, {
  client: `OpenCode, ${npm}`, package: `opencode-${platform}-${arch}-baseline`, program: programs.opencode, native, requests: 2, title: true, session: true,
  tasks: {
    shell: { prompt: () => ask("bash", { command, description: "write" }), result: counted },
    edit: { prompt: (work) => ask("write", { filePath: at(work), content: made }), result: "Wrote file successfully" },
  },
  start: (c, prompt, { title }) => ({
    command: programs.opencode,
    args: ["run", ...(title ? ["--title", title] : [])],
    input: prompt, // an argument would be quoted anew
    files: {
      ".config/opencode/opencode.json": JSON.stringify({
        $schema: "https://opencode.ai/config.json",
        model: `turnout/${model}`,
        small_model: `turnout/${model}`,
        provider: { turnout: { npm, name: "Turnout", options: { baseURL: rig.url + path, apiKey: "{env:TURNOUT_KEY}" }, models: { [model]: {} } } },
        autoupdate: false,
        share: "disabled",
      }),
    },
    env: {
      TURNOUT_KEY: c.key,
      // It fetches its list of models, and a package for plugins from npm, in the background.
      OPENCODE_DISABLE_MODELS_FETCH: "1", OPENCODE_DISABLE_AUTOUPDATE: "1", npm_config_offline: "true",
    },
  }),
}]));
