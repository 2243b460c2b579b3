#!/usr/bin/env node
// Makes a component of a handler project: gristmill-build [--output FILE] [--entry FILE]
//
// The handler and all that it imports become one file, and that, with the JavaScript engine, a component. What runs at the top
// level of modules runs now, and its memory is what each job starts from.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { componentize } from '@bytecodealliance/componentize-js';
import { TraceMap, eachMapping } from '@jridgewell/trace-mapping';
import { parse } from 'acorn';
import { full } from 'acorn-walk';
import { build } from 'esbuild';
import rewritePattern from 'regexpu-core';

const ENTRIES = ['src/handler.ts', 'src/handler.js', 'src/handler.mjs', 'handler.ts', 'handler.js', 'handler.mjs'];
const sdk = path.dirname(fileURLToPath(import.meta.url));

function fail(message) {
  console.error(message);
  process.exit(1);
}

async function entryOf(given) {
  if (given !== undefined) return existsSync(given) ? given : fail(`${given}: there is no such file`);
  const found = ENTRIES.find((name) => existsSync(name));
  return found ?? fail(`there is no handler here; write ${ENTRIES[0]} or ${ENTRIES[1]}`);
}

/** One file of the entry and all that it imports, with where each of its lines comes from. */
async function bundle(entry, folder) {
  const file = path.resolve(folder, 'bundle.js');
  const contents = `
    import handler from ${JSON.stringify(path.resolve(entry))};
    import { component } from '@gristmill/sdk/component';
    const made = component(handler);
    export { made as handler };`;
  const built = await build({
    stdin: { contents, resolveDir: process.cwd(), sourcefile: 'gristmill:entry' },
    outfile: file,
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    mainFields: ['module', 'main'],
    conditions: ['gristmill', 'worker', 'import', 'module'],
    external: ['gristmill:*', 'wasi:*'],
    sourcemap: 'external',
    write: false,
    logLevel: 'silent',
  }).catch((error) => {
    for (const { text, location } of error.errors ?? []) {
      console.error(location ? `${path.relative(process.cwd(), path.resolve(location.file))}:${location.line}:${location.column + 1}: ${text}` : text);
    }
    fail(error.errors?.some(({ text }) => /node:|built into node/i.test(text))
      ? 'a handler has no modules of Node.js; use what browsers have, or another package'
      : 'the handler cannot be bundled');
  });
  const [map, code] = built.outputFiles.map((output) => output.text);
  const text = `${withoutProperties(code)}\nglobalThis[Symbol.for('gristmill.lines')] = ${JSON.stringify(JSON.stringify(lines(map)))};\n`;
  await writeFile(file, text);
  return file;
}

/** The engine has no tables of Unicode: in regular expressions, classes such as `\p{L}` become lists of characters. */
function withoutProperties(code) {
  const found = [];
  full(parse(code, { ecmaVersion: 'latest', sourceType: 'module' }), ({ regex, start, end }) => {
    if (regex !== undefined && /\\p\{/i.test(regex.pattern)) found.push({ ...regex, start, end });
  });
  let made = code;
  for (const { pattern, flags, start, end } of found.sort((a, b) => b.start - a.start)) {
    const options = { unicodePropertyEscapes: 'transform', ...(flags.includes('v') && { unicodeSetsFlag: 'transform' }) };
    made = `${made.slice(0, start)}/${rewritePattern(pattern, flags, options)}/${flags.replace('v', 'u')}${made.slice(end)}`;
  }
  return made;
}

/** The user's file and line for each place of the bundle where they change; other packages by their names. */
function lines(map) {
  const files = [];
  const numbers = new Map();
  const table = [];
  const trace = new TraceMap(map);
  const shown = (source) => {
    const file = path.relative(process.cwd(), path.resolve('target', 'build', source));
    if (path.resolve(file).startsWith(path.join(sdk, 'src')) || source.includes('gristmill:entry')) return '';
    return file.replace(/^.*node_modules\//, '');
  };
  eachMapping(trace, ({ generatedLine, generatedColumn, source, originalLine }) => {
    if (source === null) return;
    if (!numbers.has(source)) numbers.set(source, files.push(shown(source)) - 1);
    const row = (table[generatedLine - 1] ??= []);
    const [file, line] = row.slice(-2);
    if (file !== numbers.get(source) || line !== originalLine) row.push(generatedColumn, numbers.get(source), originalLine);
  });
  return { files, lines: Array.from(table, (row) => row ?? []) };
}

/** A component with a custom section: a JSON Schema of the handler's data. */
export function withSection(component, name, text) {
  const leb = (value) => {
    const bytes = [];
    do {
      bytes.push((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
      value >>>= 7;
    } while (value !== 0);
    return bytes;
  };
  const label = Buffer.from(name);
  const content = Buffer.concat([Buffer.from(leb(label.length)), label, Buffer.from(text)]);
  return Buffer.concat([component, Buffer.from([0, ...leb(content.length)]), content]);
}

/** The JSON Schema of the handler's data, where its type has one: the handler is loaded by Node.js for that. */
async function schemaOf(entry, folder) {
  const file = path.resolve(folder, 'schema.mjs');
  await build({
    stdin: {
      contents: `
        import handler from ${JSON.stringify(path.resolve(entry))};
        const schema = handler?.[Symbol.for('gristmill.handler')]?.schema?.();
        export default schema === undefined ? undefined : JSON.stringify(schema);`,
      resolveDir: process.cwd(),
    },
    outfile: file, bundle: true, format: 'esm', platform: 'node', logLevel: 'silent',
  });
  return (await import(pathToFileURL(file).href)).default;
}

const { values } = parseArgs({ options: { output: { type: 'string', short: 'o' }, entry: { type: 'string' } } });
const entry = await entryOf(values.entry);
const output = path.resolve(values.output ?? path.join('target', `${path.basename(process.cwd())}.wasm`));
const folder = path.join('target', 'build');
await mkdir(folder, { recursive: true });
await mkdir(path.dirname(output), { recursive: true });
const file = await bundle(entry, folder);
// The engine takes most of the time, and need not run when nothing has changed.
const stamp = createHash('sha256').update(await readFile(file)).update(await readFile(path.join(sdk, 'package.json'))).digest('hex');
const stampFile = path.join(folder, 'stamp');
const last = existsSync(stampFile) ? await readFile(stampFile, 'utf8') : '';
if (last !== `${stamp} ${output}` || !existsSync(output)) {
  const made = await componentize({ sourcePath: file, witPath: path.join(sdk, 'wit'), worldName: 'worker' })
    .catch((error) => fail(`the handler does not start: ${error.message ?? error}`));
  const schema = await schemaOf(entry, folder);
  await writeFile(output, schema === undefined ? made.component : withSection(made.component, 'gristmill:schema', schema));
  await writeFile(stampFile, `${stamp} ${output}`);
}
console.log(output);
