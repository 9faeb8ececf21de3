// SPDX-License-Identifier: Apache-2.0
//
// A picture as an array of pixels, filled by hand.
//
// A flame graph is ten thousand rectangles with straight edges. Filling them in an array and handing the array to the
// canvas once costs a few milliseconds; asking the canvas for each of them costs a frame or more.

/** A pixel as ImageData keeps it, read as a little-endian number: 0xAABBGGRR. */
export type Pixel = number;

/** "#rrggbb" as a pixel. */
export function pixelOf(colour: string): Pixel {
  const v = parseInt(colour.slice(1), 16);
  return (0xff000000 | ((v & 0xff) << 16) | (v & 0xff00) | (v >>> 16)) >>> 0;
}

/** `share` of a over b, share in 0..1. */
export function mixPixels(a: Pixel, b: Pixel, share: number): Pixel {
  const part = (share * 256) | 0;
  const rest = 256 - part;
  const redBlue = ((Math.imul(a & 0xff00ff, part) + Math.imul(b & 0xff00ff, rest)) >>> 8) & 0xff00ff;
  const green = ((Math.imul(a & 0xff00, part) + Math.imul(b & 0xff00, rest)) >>> 8) & 0xff00;
  return (0xff000000 | redBlue | green) >>> 0;
}

export class Pixels {
  readonly image: ImageData;
  readonly data: Uint32Array;

  /** @param width and height in device pixels, at least 1 */
  constructor(readonly width: number, readonly height: number) {
    this.image = new ImageData(width, height);
    this.data = new Uint32Array(this.image.data.buffer);
  }

  clear(colour: Pixel): void {
    this.data.fill(colour);
  }

  /** Put a line of pixels into the rows top .. bottom - 1, as far as they are there. */
  stamp(line: Uint32Array, top: number, bottom: number): void {
    for (let y = Math.max(0, top); y < Math.min(this.height, bottom); y++) this.data.set(line, y * this.width);
  }

  /** Fill a rectangle; what lies outside is left out. */
  rectangle(left: number, top: number, right: number, bottom: number, colour: Pixel): void {
    const a = Math.max(0, left);
    const b = Math.min(this.width, right);
    if (b <= a) return;
    for (let y = Math.max(0, top); y < Math.min(this.height, bottom); y++) this.data.fill(colour, y * this.width + a, y * this.width + b);
  }

  /** Diagonal lines over a rectangle, `every` pixels apart. */
  hatch(left: number, top: number, right: number, bottom: number, ink: Pixel, every: number): void {
    for (let y = Math.max(0, top); y < Math.min(this.height, bottom); y++) {
      const shift = (left + top - y) % every;
      for (let x = left + ((every + shift) % every); x < Math.min(this.width, right); x += every) {
        const at = y * this.width + x;
        if (x >= 0) this.data[at] = mixPixels(ink, this.data[at], 0.22);
      }
    }
  }
}
