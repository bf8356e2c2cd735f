// Compile WGSL files by Tint, the compiler of Chrome and Edge, by way of Dawn without a driver.
//
//   npm ci --prefix scripts/tint && node scripts/tint/check.mjs FOLDER
//
// Prints the first complaint of every file that is refused, then one closing line: `N accepted, M refused`. Dawn may crash
// when it is torn down, so only that line counts, not the exit code.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { create } from 'webgpu';

// Where Dawn never answers, the caller may try again.
setTimeout(() => process.exit(1), 60_000);
const folder = process.argv[2];
const files = readdirSync(folder).filter((name) => name.endsWith('.wgsl')).sort();
// Held, or Dawn takes it for garbage and crashes.
const gpu = create(['backend=null']);
const adapter = await gpu.requestAdapter();
const device = await adapter.requestDevice({ requiredFeatures: adapter.features.has('subgroups') ? ['subgroups'] : [] });
let refused = 0;
for (const file of files) {
  const text = readFileSync(join(folder, file), 'utf8');
  // WGSL asks for the line; naga 30 does not know it.
  const code = /\bsubgroup[A-Z]/.test(text) ? `enable subgroups;\n${text}` : text;
  const told = [];
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code });
  for (const message of (await module.getCompilationInfo()).messages) {
    if (message.type === 'error') told.push(`${message.lineNum}:${message.linePos}: ${message.message}`);
  }
  if (told.length === 0) device.createComputePipeline({ layout: 'auto', compute: { module } });
  const error = await device.popErrorScope();
  if (error && told.length === 0) told.push(error.message);
  if (told.length > 0) {
    refused += 1;
    console.log(`${file}:${told[0]}`);
  }
}
process.stdout.write(`${files.length - refused} accepted, ${refused} refused\n`, () => process.exit(0));
