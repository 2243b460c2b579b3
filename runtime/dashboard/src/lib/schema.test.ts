import { describe, expect, it } from 'vitest';
import { fields, read } from './schema';
import type { Json } from './types';

const SCHEMA = {
  type: 'object',
  required: ['to', 'size', 'parts'],
  properties: {
    to: { type: 'string', title: 'Recipient', description: 'An address', pattern: '@' },
    body: { type: ['string', 'null'], maxLength: 5_000 },
    size: { type: 'integer', minimum: 1, maximum: 9 },
    share: { type: 'number', default: 0.5 },
    urgent: { type: 'boolean' },
    template: { enum: ['welcome', 7] },
    parts: { $ref: '#/$defs/parts' },
    anything: true,
  },
  $defs: { parts: { type: 'array', items: {}, title: 'Parts' } },
};

describe('a form from a schema', () => {
  const form = fields(SCHEMA) ?? [];
  it('has a field for each property', () => {
    expect(form.map(({ name, kind, required }) => [name, kind, required])).toEqual([
      ['to', 'text', true], ['body', 'long', false], ['size', 'integer', true], ['share', 'number', false], ['urgent', 'boolean', false],
      ['template', 'choice', false], ['parts', 'json', true], ['anything', 'json', false],
    ]);
    expect(form[0]).toMatchObject({ label: 'Recipient', hint: 'An address', pattern: '@' });
    expect(form[2]).toMatchObject({ min: 1, max: 9 });
    expect(form[6]).toMatchObject({ label: 'Parts', initial: '[]' });
  });
  it('is none where the data is no object with properties', () => {
    const others: Json[] = [null, true, 'x', {}, { type: 'array' }, { type: 'object' }, { properties: {} }, { $ref: '#' }, { $ref: 'http://x/' }];
    for (const schema of others) {
      expect(fields(schema), JSON.stringify(schema)).toBeUndefined();
    }
  });
  it('reads what was written', () => {
    expect(read(form, { to: 'a@b', size: '3', urgent: 'true', template: '"welcome"', parts: '[1]', anything: '{"x":null}' })).toEqual({
      value: { to: 'a@b', size: 3, share: 0.5, urgent: true, template: 'welcome', parts: [1], anything: { x: null } },
    });
  });
  it('leaves out what is empty and not required', () => {
    expect(read(form, { to: '', size: '1', share: '' })).toEqual({ value: { to: '', size: 1, parts: [] } });
  });
  it('says what is wrong', () => {
    expect(read(form, { size: '1.5', share: 'x', parts: '[', template: '' })).toEqual({
      problems: { size: 'is not a whole number', share: 'is not a number', parts: 'is not JSON' },
    });
    expect(read(form, { to: 'a', size: '' })).toEqual({ problems: { size: 'is required' } });
  });
});
