// Tables that scroll by themselves where the screen is narrow.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Empty } from './ui';

export interface Column<T> {
  head: string;
  cell: (row: T) => ComponentChildren;
  /** Figures stand at the right. */
  num?: boolean;
  /** Left out on a phone. */
  wide?: boolean;
  /** The cell that names the row. */
  names?: boolean;
  /** Takes what room there is. */
  grow?: boolean;
}

const classOf = <T,>({ num, wide, grow, names }: Column<T>) =>
  [num && 'num', wide && 'wide', grow && 'grow', names && 'names'].filter(Boolean).join(' ');

/** Columns whose cells need no name before them on a phone. */
const PLAIN = new Set(['Action', 'Status', 'Severity', 'State', 'Decision']);

export function Table<T>({ caption, columns, rows, keyOf, empty = 'Nothing here.', toneOf }: {
  caption: string;
  columns: Column<T>[];
  rows: T[];
  keyOf: (row: T) => string;
  empty?: ComponentChildren;
  toneOf?: (row: T) => string;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [scrolls, setScrolls] = useState(false);
  useEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const look = () => setScrolls(element.scrollWidth > element.clientWidth + 1);
    const observer = new ResizeObserver(look);
    observer.observe(element);
    look();
    return () => observer.disconnect();
  }, [rows.length]);
  if (rows.length === 0) return <Empty>{empty}</Empty>;
  // Only what scrolls takes the focus, so that the keyboard can scroll it.
  const region = scrolls ? { tabIndex: 0, role: 'group', 'aria-label': caption } as const : {};
  return (
    <div class="table-box" ref={box} {...region}>
      {/* A phone shows rows as blocks, which takes the roles from the elements; so they are written out. */}
      <table role="table" class="data">
        <caption class="unseen">{caption}</caption>
        <thead role="rowgroup">
          <tr role="row">{columns.map((column) => <th key={column.head} scope="col" role="columnheader" class={classOf(column)}>{column.head}</th>)}</tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={keyOf(row)} role="row" class={toneOf?.(row) ?? ''}>
              {columns.map((column) =>
                column.names
                  ? <th key={column.head} scope="row" role="rowheader" class={classOf(column)}>{column.cell(row)}</th>
                  : <td key={column.head} role="cell" data-head={PLAIN.has(column.head) ? undefined : column.head} class={classOf(column)}>{column.cell(row)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
