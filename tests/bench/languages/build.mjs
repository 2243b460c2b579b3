// Makes a component of `job.mjs`: node build.mjs WIT OUTPUT
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { componentize } from '@bytecodealliance/componentize-js';

const [wit, output] = process.argv.slice(2);
const sourcePath = fileURLToPath(new URL('job.mjs', import.meta.url));
const { component } = await componentize({ sourcePath, witPath: wit, worldName: 'worker' });
await writeFile(output, component);
