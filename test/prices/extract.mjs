// Prints what the package says of prices, as JSON for internal/price/generate: what finds providers and models, and what
// they cost. Its readers of answers and its texts are left out.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { waitForUpdate } from '@pydantic/genai-prices'

const main = createRequire(import.meta.url).resolve('@pydantic/genai-prices')
const about = JSON.parse(readFileSync(new URL('../package.json', `file://${main}`)))

const pick = (from, ...names) => Object.fromEntries(names.filter((n) => from[n] !== undefined).map((n) => [n, from[n]]))

const known = new Set([
  'id', 'name', 'match', 'prices', 'context_window', 'deprecated',
  'description', 'price_comments',
])

const providers = (await waitForUpdate()).map((p) => ({
  ...pick(p, 'id', 'name', 'api_pattern', 'provider_match', 'fallback_model_providers'),
  models: p.models.map((m) => {
    for (const name of Object.keys(m)) if (!known.has(name)) throw new Error(`${p.id}/${m.id} has ${name}, which is not known here`)
    const versions = Array.isArray(m.prices) ? m.prices : [{ prices: m.prices }]
    return {
      ...pick(m, 'id', 'match', 'context_window', 'deprecated'),
      prices: versions.map((v) => pick(v, 'constraint', 'prices')),
    }
  }),
}))

process.stdout.write(JSON.stringify({ name: about.name, version: about.version, providers }))
