// Turns Markdown, given or fetched, into an HTML page with a table of contents.
import { PermanentError, handler, log, progress } from '@gristmill/sdk';
import { Marked } from 'marked';

const MAX = 1 << 20;

const schema = {
  type: 'object',
  properties: { markdown: { type: 'string', maxLength: MAX }, url: { type: 'string', format: 'uri' } },
  anyOf: [{ required: ['markdown'] }, { required: ['url'] }],
};

/** A word for links to a heading. */
function slug(text, used) {
  const base = text.toLowerCase().replace(/[^\p{Letter}\p{Number}]+/gu, '-').replace(/^-|-$/g, '') || 'section';
  const count = used.get(base) ?? 0;
  used.set(base, count + 1);
  return count === 0 ? base : `${base}-${count}`;
}

const escape = (text) => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);

async function source({ markdown, url }) {
  if (markdown !== undefined) return markdown;
  if (url === undefined) throw new PermanentError('the job has neither `markdown` nor `url`', { code: 'bad-data' });
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response.text();
}

export default handler(schema, async (job, data) => {
  const text = await source(data);
  if (text.length > MAX) throw new PermanentError(`the text has ${text.length} characters, more than ${MAX}`, { code: 'too-large' });
  progress.report(1, 2);
  const [contents, used] = [[], new Map()];
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth, text: plain }) {
        const id = slug(plain, used);
        contents.push({ depth, id, title: plain });
        return `<h${depth} id="${id}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      // What a text brings along as HTML is shown, not obeyed.
      html: ({ text: html }) => escape(html),
    },
  });
  const body = marked.parse(text);
  progress.report(2, 2);
  log.info('rendered', { headings: contents.length, bytes: body.length });
  return { title: contents[0]?.title ?? '', contents, html: body };
});
