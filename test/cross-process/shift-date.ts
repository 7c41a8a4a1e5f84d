/** Preload: this process and its threads believe that it is CLOCK_SHIFT_MS later. Its monotonic clock is right. */
const shiftMs = Number(process.env.CLOCK_SHIFT_MS);
const Real = Date;

globalThis.Date = class extends Real {
  constructor(...args: unknown[]) {
    if (args.length === 0) super(Real.now() + shiftMs);
    else super(...(args as [number]));
  }
  static override now(): number {
    return Real.now() + shiftMs;
  }
} as DateConstructor;
