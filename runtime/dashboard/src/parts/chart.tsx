// A chart of series over time. The figures are also there as a table, for those who cannot see the lines.
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { time } from '../lib/format';
import { now } from '../lib/live';
import type { Points } from '../lib/types';

export interface Series {
  name: string;
  points: Points;
  /** A colour of the sheet: `--line-…`. */
  color: string;
  dash?: boolean;
  fill?: boolean;
}

const HEIGHT = 168;
/** Seconds before a point that is alone. */
const ALONE = 600;
/** Rows of the table beside a chart. */
const ROWS = 12;

const css = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const at = (ms: number) => ms / 1000;

/** Axis labels of the time, in the form of the rest of the pages. */
function clock(_: uPlot, splits: number[], __: number, ___: number, step: number): string[] {
  return splits.map((split) => {
    const date = new Date(split * 1000);
    const two = (n: number) => String(n).padStart(2, '0');
    if (step >= 86_400) return `${two(date.getMonth() + 1)}-${two(date.getDate())}`;
    const text = `${two(date.getHours())}:${two(date.getMinutes())}`;
    return step < 60 ? `${text}:${two(date.getSeconds())}` : text;
  });
}

function options(width: number, series: Series[], show: (value: number | null) => string, cursor: (index: number | null) => void): uPlot.Options {
  const axis = { stroke: css('--dim'), grid: { stroke: css('--grid'), width: 1 }, ticks: { show: false }, font: `11px ${css('--sans')}` };
  return {
    width,
    height: HEIGHT,
    padding: [8, 20, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: {
      // Of one point alone uPlot would make years; it stands at the end of some minutes.
      x: { range: (plot, first, last) => (plot.data[0].length === 1 ? [first - ALONE, first] : [first, last]) },
      y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] },
    },
    axes: [
      { ...axis, values: clock, space: 64, size: 26, gap: 4 },
      { ...axis, size: 52, gap: 6, space: 34, values: (_, splits) => splits.map((split) => show(split)) },
    ],
    series: [
      {},
      ...series.map(({ name, color, dash, fill }) => ({
        label: name,
        stroke: css(color),
        width: 1.5,
        dash: dash ? [4, 3] : undefined,
        fill: fill ? css(`${color}-fill`) : undefined,
        // A line needs two points.
        points: { show: (plot: uPlot, nth: number) => Array.from(plot.data[nth] ?? []).filter((value) => value != null).length === 1 },
        spanGaps: false,
      })),
    ],
    hooks: { setCursor: [(plot) => cursor(plot.cursor.idx ?? null)] },
  };
}

const latest = (points: Points) => points.findLast((value) => value != null) ?? null;

export function Chart({ title, atMs, series, show }: {
  title: string;
  atMs: number[];
  series: Series[];
  show: (value: number | null) => string;
}) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const [index, setIndex] = useState<number | null>(null);
  const [scheme, setScheme] = useState(0);
  const shown = useRef(show);
  shown.current = show;
  const shape = series.map(({ name, color, dash }) => `${name}${color}${dash}`).join();
  const empty = atMs.length === 0 || series.every(({ points }) => latest(points) == null);

  useEffect(() => {
    const dark = matchMedia('(prefers-color-scheme: dark)');
    const turn = () => setScheme((n) => n + 1);
    dark.addEventListener('change', turn);
    return () => dark.removeEventListener('change', turn);
  }, []);
  useEffect(() => {
    const element = box.current;
    if (!element || empty) return undefined;
    const made = new uPlot(
      options(element.clientWidth, series, (value) => shown.current(value), setIndex),
      data(atMs, series),
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => {
      if (element.clientWidth > 0) made.setSize({ width: element.clientWidth, height: HEIGHT });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [shape, scheme, empty]);
  useEffect(() => {
    plot.current?.setData(data(atMs, series));
  }, [atMs, series]);

  const read = (points: Points) => (index == null ? latest(points) : (points[index] ?? null));
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{title}</span>
        <span class="legend">
          {series.map(({ name, color, points }) => (
            <span key={name} class="legend-item">
              <span class={`swatch swatch${color}`} aria-hidden="true" />
              {name} <b>{show(read(points))}</b>
            </span>
          ))}
          {index != null && atMs[index] !== undefined && <span class="dim">{time(atMs[index], now.value)}</span>}
        </span>
      </figcaption>
      {empty
        ? <p class="empty">No figures yet. They are sampled once a minute.</p>
        : <div ref={box} class="plot" aria-hidden="true" />}
      {!empty && <Figures title={title} atMs={atMs} series={series} show={show} />}
    </figure>
  );
}

const data = (atMs: number[], series: Series[]) =>
  [atMs.map(at), ...series.map(({ points }) => points)] as uPlot.AlignedData;

/** The same in a table of few rows, each the figures at one time. */
function Figures({ title, atMs, series, show }: { title: string; atMs: number[]; series: Series[]; show: (value: number | null) => string }) {
  const [open, setOpen] = useState(false);
  const step = Math.max(1, Math.floor(atMs.length / ROWS));
  const rows = atMs.map((_, n) => n).filter((n) => (atMs.length - 1 - n) % step === 0).slice(-ROWS).reverse();
  return (
    <details class="chart-table" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>As a table<span class="unseen">: {title}</span></summary>
      {open && (
        <table>
          <caption class="unseen">{title}</caption>
          <thead>
            <tr><th scope="col">Time</th>{series.map(({ name }) => <th key={name} scope="col" class="num">{name}</th>)}</tr>
          </thead>
          <tbody>
            {rows.map((n) => (
              <tr key={atMs[n]}>
                <th scope="row">{time(atMs[n], now.value)}</th>
                {series.map(({ name, points }) => <td key={name} class="num">{show(points[n] ?? null)}</td>)}
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </details>
  );
}

/** A line without axes, for one row of a table. */
export function Spark({ points, label }: { points: Points; label: string }) {
  const most = Math.max(1, ...points.map((value) => value ?? 0));
  const width = 88;
  const height = 20;
  const x = (n: number) => (points.length > 1 ? (n / (points.length - 1)) * (width - 2) + 1 : width / 2);
  const y = (value: number) => height - 2 - (value / most) * (height - 4);
  const path = points.map((value, n) => `${n === 0 ? 'M' : 'L'}${x(n).toFixed(1)} ${y(value ?? 0).toFixed(1)}`).join('');
  return (
    <svg class="spark" viewBox={`0 0 ${width} ${height}`} width={width} height={height} role="img" aria-label={label}>
      <path d={path} fill="none" stroke="currentColor" stroke-width="1.3" />
    </svg>
  );
}
