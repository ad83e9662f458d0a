// What every SDK is asked for, in the SDKs' common terms.
import { z } from "zod";

export const system = "You are the station of Bern. marker-system-7f3a";

// The provider calls the tools that the last message names.
export const wanted = [
  { name: "weather", args: { city: "Bern", days: 3 } },
  { name: "departures", args: { track: 7 } },
];
export const toolPrompt = wanted.map((w) => `use tool ${w.name} with ${JSON.stringify(w.args)}`).join(" and ");
export const results = { weather: "snow marker-result-91c2", departures: "IC 8 marker-result-04be" };

export const tools = [
  {
    name: "weather",
    description: "the weather of a city",
    schema: { type: "object", properties: { city: { type: "string" }, days: { type: "integer" } }, required: ["city", "days"], additionalProperties: false },
    zod: z.object({ city: z.string(), days: z.number().int() }),
  },
  {
    name: "departures",
    description: "the next trains of a track",
    schema: { type: "object", properties: { track: { type: "integer" } }, required: ["track"], additionalProperties: false },
    zod: z.object({ track: z.number().int() }),
  },
];

// The structured output, and what the provider makes of it: a sample of every property.
export const Journey = z.object({ from: z.string(), minutes: z.number().int(), direct: z.boolean(), stop: z.object({ name: z.string(), track: z.number().int() }) });
export const journey = { from: "sample from", minutes: 1, direct: true, stop: { name: "sample name", track: 1 } };
