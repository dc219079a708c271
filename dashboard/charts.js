import { h } from "./elements.js";
import { live } from "./live.js";
import UPlot from "./uplot.js";

const HEIGHT = 150;
/** Largest and smallest number of seconds shown. */
const LONGEST = 15 * 60;
const SHORTEST = 2 * 60;
/** Steps between the values of an axis of counts. */
const WHOLE_STEPS = [1, 2, 5].flatMap((step) => [1, 10, 100, 1_000, 10_000, 100_000].map((power) => step * power));

/**
 * A chart of the last 15 minutes, which grows with the readings.
 * @param series - each with the name of a reading, a label and a colour, as the name of a variable of the theme
 * @param format - writes a value
 * @param isWhole - whether values are whole numbers
 */
export class LiveChart {
  #plot;
  #series;
  #summary;
  #format;
  #isWhole;
  #box = h("div", { className: "plot" });

  constructor(title, { format, isWhole = false, series, signal }) {
    this.#series = series;
    this.#format = format;
    this.#isWhole = isWhole;
    this.#summary = h("p", { className: "legend" });
    this.element = h("figure", { className: "panel chart" }, h("figcaption", {}, title), this.#summary, this.#box);
    const observer = new ResizeObserver(() => this.#resize());
    observer.observe(this.#box);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    // Colours are read from the theme when a chart is made.
    const remake = () => {
      this.#end();
      this.update();
    };
    scheme.addEventListener("change", remake);
    signal.addEventListener("abort", () => {
      observer.disconnect();
      scheme.removeEventListener("change", remake);
      this.#end();
    });
  }

  update() {
    const { history } = live;
    const last = history.at(-1);
    this.#summary.replaceChildren(
      ...this.#series.map(({ color, label, name }) =>
        h(
          "span",
          {},
          h("span", { className: `swatch ${color}` }),
          `${label} `,
          h("strong", {}, this.#text(last?.[name])),
        ),
      ),
    );
    if (this.#box.clientWidth === 0) return;
    this.#plot ??= this.#make();
    this.#plot.setData([
      history.map(({ time }) => time),
      ...this.#series.map(({ name }) => history.map((point) => point[name])),
    ]);
  }

  #text(value) {
    return value === undefined || value === null ? "–" : this.#format(value);
  }

  #make() {
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(`--${name}`).trim();
    const axis = {
      stroke: color("soft"),
      grid: { stroke: color("line"), width: 1 },
      ticks: { show: false },
      font: `11px ${style.getPropertyValue("--sans")}`,
    };
    const series = this.#series.map(({ color: name, label }) => ({
      label,
      stroke: color(name),
      width: 1.5,
      points: { show: false },
    }));
    const options = {
      width: this.#box.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      cursor: { show: false },
      scales: {
        x: { range: (_plot, least, most) => [Math.max(most - LONGEST, Math.min(least, most - SHORTEST)), most] },
        y: { range: (_plot, _least, most) => [0, Math.max(1, (most ?? 0) * 1.15)] },
      },
      axes: [
        { ...axis, space: 70, size: 26, incrs: [60, 120, 300], values: (_plot, times) => times.map(toClock) },
        {
          ...axis,
          size: 56,
          space: 28,
          incrs: this.#isWhole ? WHOLE_STEPS.toSorted((one, other) => one - other) : undefined,
          values: (_plot, values) => values.map((value) => this.#format(value)),
        },
      ],
      series: [{}, ...series],
    };
    return new UPlot(options, [[], ...this.#series.map(() => [])], this.#box);
  }

  #resize() {
    if (this.#plot === undefined) this.update();
    else this.#plot.setSize({ width: this.#box.clientWidth, height: HEIGHT });
  }

  #end() {
    this.#plot?.destroy();
    this.#plot = undefined;
  }
}

function toClock(seconds) {
  return new Date(seconds * 1_000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}
