// A version of a handler, by the name that people gave it.
import { digest as shorten } from '../lib/format';
import type { Module } from '../lib/types';

export function Version({ digest, known }: { digest: string; known: Map<string, Module> }) {
  const module = known.get(digest);
  return (
    <span class="version" title={digest}>
      {module ? <b>{module.name}{module.version ? ` ${module.version}` : ''}</b> : null} <code>{shorten(digest)}</code>
    </span>
  );
}
