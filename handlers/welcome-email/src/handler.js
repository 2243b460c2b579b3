// Renders the mail that greets new customers, as text and as HTML.
import { context, handler, log, metrics } from '@gristmill/sdk';
import Mustache from 'mustache';
import { z } from 'zod';

const Customer = z.object({
  to: z.email(),
  name: z.string().min(1).max(200),
  language: z.enum(['en', 'de']).default('en'),
  offers: z.array(z.object({ title: z.string(), cents: z.int().nonnegative() })).max(50).default([]),
});

const TEXTS = {
  en: { subject: 'Welcome, {{name}}', hello: 'Hello {{name}}', offers: 'What we have for you', locale: 'en-US' },
  de: { subject: 'Willkommen, {{name}}', hello: 'Guten Tag {{name}}', offers: 'Unsere Angebote', locale: 'de-DE' },
};

const HTML = `<!doctype html>
<html lang="{{language}}"><body>
<h1>{{hello}}</h1>
{{#any}}<h2>{{title}}</h2>
<ul>{{#offers}}
<li>{{title}}: {{price}}</li>{{/offers}}
</ul>{{/any}}
</body></html>`;

const TEXT = `{{{hello}}}
{{#any}}
{{{title}}}:
{{#offers}}
- {{{title}}}: {{{price}}}
{{/offers}}
{{/any}}`;

// Parsed now, when the component is made, so no job does it.
Mustache.parse(HTML);
Mustache.parse(TEXT);

function price(cents, language) {
  const amount = (cents / 100).toFixed(2);
  return language === 'de' ? `${amount.replace('.', ',')} €` : `€${amount}`;
}

export default handler(Customer, (job, { to, name, language, offers }) => {
  const texts = TEXTS[language];
  // Neither a subject nor a greeting of plain text is HTML.
  const plain = (text) => text.replace('{{name}}', name);
  const view = {
    language,
    hello: plain(texts.hello),
    title: texts.offers,
    any: offers.length > 0 && { title: texts.offers },
    offers: offers.map(({ title, cents }) => ({ title, price: price(cents, language) })),
  };
  const mail = { to, subject: plain(texts.subject), text: Mustache.render(TEXT, view), html: Mustache.render(HTML, view) };
  metrics.counter('welcome_mails_total', 1, { language });
  log.info('rendered', { bytes: mail.html.length, remaining: context.remaining() });
  return mail;
});
