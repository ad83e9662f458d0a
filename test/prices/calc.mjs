// Reads usages, one JSON object to a line, and prints what the package's own calculator makes of each: the price, and whose model it found.
import { createInterface } from 'node:readline'
import { calcPrice } from '@pydantic/genai-prices'

const out = []
for await (const line of createInterface({ input: process.stdin })) {
  const { provider, model, at, usage } = JSON.parse(line)
  try {
    const r = calcPrice(usage, model, { providerId: provider, timestamp: new Date(at) })
    out.push(r ? { total: r.total_price, provider: r.provider.id, model: r.model.id } : {})
  } catch (e) {
    out.push({ error: e.message })
  }
}
process.stdout.write(out.map((o) => JSON.stringify(o) + '\n').join(''))
