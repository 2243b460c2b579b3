// The reader that the metrics tests rely on accepts what a scraper accepts, and nothing else.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse, samples } from './lib/prometheus.mjs';

const GOOD = `# HELP jobs Jobs by "outcome".
# TYPE jobs counter
jobs_total{queue="a \\"b\\" \\\\ \\n c",outcome="completed"} 3
jobs_total{queue="x", outcome="failed"} 1e3 1700000000000
# a comment
# TYPE took_seconds histogram
took_seconds_bucket{le="0.1"} 1
took_seconds_bucket{le="1"} 3
took_seconds_bucket{le="+Inf"} 4
took_seconds_sum 12.5
took_seconds_count 4
# TYPE empty gauge
untold NaN
# EOF
`;

test('a good page is read in full', () => {
  const families = parse(GOOD);
  assert.deepEqual([...families.keys()], ['jobs', 'took_seconds', 'empty', 'untold']);
  assert.deepEqual(families.get('jobs').samples.map(({ labels, value }) => [labels.queue, value]), [
    ['a "b" \\ \n c', 3],
    ['x', 1_000],
  ]);
  assert.equal(samples(families, ({ name }) => name.startsWith('took_seconds')).length, 5);
});

for (const [label, page] of Object.entries({
  'no line feed at the end': 'a 1',
  'a name with a space': 'a b 1\nc d\n',
  'a name that starts with a digit': '9a 1\n',
  'a raw line feed in a label': 'a{b="c\nd"} 1\n',
  'an unknown escape': 'a{b="\\q"} 1\n',
  'a label without quotes': 'a{b=c} 1\n',
  'a label twice': 'a{b="c",b="d"} 1\n',
  'no value': 'a{b="c"} \n',
  'a value that is no number': 'a x\n',
  'a series twice': 'a{b="c",d="e"} 1\na{d="e",b="c"} 2\n',
  'a type twice': '# TYPE a gauge\na 1\n# TYPE a gauge\n',
  'an unknown type': '# TYPE a meter\na 1\n',
  'a family in two places': '# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\na{x="y"} 1\n',
  'buckets that shrink': '# TYPE h histogram\nh_bucket{le="1"} 2\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n',
  'no last bucket': '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="2"} 1\nh_sum 1\nh_count 1\n',
  'a count that disagrees': '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 1\nh_count 3\n',
})) {
  test(`${label} is refused`, () => {
    assert.throws(() => parse(page), { code: 'ERR_ASSERTION' });
  });
}
