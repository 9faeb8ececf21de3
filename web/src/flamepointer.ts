// SPDX-License-Identifier: Apache-2.0
//
// Mouse, touch and wheel on a flame graph.
//
// Mouse: hover shows, click zooms, right click asks for the menu, drag pans, Ctrl+wheel zooms about the pointer, horizontal
// wheel pans. Touch: a tap shows, a second tap on the same frame zooms, a long press asks for the menu, one finger
// pans sideways (up and down scrolls natively), two fingers pinch.
import type { FlameView } from "./flame";

const dragThreshold = 5;
const longPressMs = 500;

interface Drag {
  x: number;
  y: number;
  x0: number;
  x1: number;
  scrollTop: number;
  moved: boolean;
  node: number;
}

/** Connect the pointer to a view. */
export function attachPointer(view: FlameView): void {
  const { element, canvas } = view;
  const fingers = new Map<number, { x: number; y: number }>();
  let drag: Drag | null = null;
  let pinch: { span: number; middle: number; x0: number; x1: number } | null = null;
  let tapped = -1;
  let press = 0;

  const hover = (node: number, x: number, y: number) => {
    view.setHovered(node);
    canvas.style.cursor = node >= 0 ? "pointer" : "default";
    view.options.hover?.(node, x, y);
  };

  const startPinch = () => {
    const [a, b] = [...fingers.values()];
    pinch = {
      span: Math.max(8, Math.abs(a.x - b.x)), middle: (a.x + b.x) / 2 - canvas.getBoundingClientRect().left,
      x0: view.scene.x0, x1: view.scene.x1,
    };
    drag = null;
    clearTimeout(press);
  };

  canvas.addEventListener("pointerdown", (e) => {
    if (e.button !== 0) return;
    fingers.set(e.pointerId, { x: e.clientX, y: e.clientY });
    if (fingers.size === 2) return startPinch();
    const node = view.nodeAtPoint(e.clientX, e.clientY);
    drag = {
      x: e.clientX, y: e.clientY, x0: view.scene.x0, x1: view.scene.x1, scrollTop: element.scrollTop, moved: false, node,
    };
    if (e.pointerType === "touch") {
      press = window.setTimeout(() => {
        if (drag && !drag.moved && node >= 0) {
          drag = null;
          view.options.menu?.(node, e.clientX, e.clientY);
        }
      }, longPressMs);
    }
    return undefined;
  });

  canvas.addEventListener("pointermove", (e) => {
    if (fingers.has(e.pointerId)) fingers.set(e.pointerId, { x: e.clientX, y: e.clientY });
    const s = view.scene;
    if (pinch && fingers.size === 2) {
      const [a, b] = [...fingers.values()];
      const span = ((pinch.x1 - pinch.x0) * pinch.span) / Math.max(8, Math.abs(a.x - b.x));
      const anchor = pinch.x0 + (pinch.middle / s.width) * (pinch.x1 - pinch.x0);
      view.setRange(anchor - (pinch.middle / s.width) * span, anchor + (1 - pinch.middle / s.width) * span);
      return;
    }
    if (drag) {
      const dx = e.clientX - drag.x;
      const dy = e.clientY - drag.y;
      if (!drag.moved && Math.hypot(dx, dy) > dragThreshold) {
        drag.moved = true;
        clearTimeout(press);
        canvas.setPointerCapture(e.pointerId);
        hover(-1, 0, 0);
      }
      if (drag.moved) {
        const shift = (dx / s.width) * (drag.x1 - drag.x0);
        view.setRange(drag.x0 - shift, drag.x1 - shift);
        if (e.pointerType === "mouse") element.scrollTop = drag.scrollTop - dy;
        canvas.style.cursor = "grabbing";
      }
      return;
    }
    if (e.pointerType === "mouse") hover(view.nodeAtPoint(e.clientX, e.clientY), e.clientX, e.clientY);
  });

  const finish = (e: PointerEvent, chosen: boolean) => {
    fingers.delete(e.pointerId);
    clearTimeout(press);
    if (pinch) {
      if (fingers.size === 0) pinch = null;
      return;
    }
    const ended = drag;
    drag = null;
    if (!chosen || !ended || ended.moved || ended.node < 0) return;
    if (e.pointerType === "touch" && tapped !== ended.node) {
      tapped = ended.node;
      view.cursor = ended.node;
      hover(ended.node, e.clientX, e.clientY);
      return;
    }
    tapped = -1;
    view.cursor = ended.node;
    view.options.zoom?.(ended.node);
  };
  canvas.addEventListener("pointerup", (e) => finish(e, true));
  canvas.addEventListener("pointercancel", (e) => finish(e, false));
  canvas.addEventListener("pointerleave", (e) => {
    if (e.pointerType === "mouse" && !drag) hover(-1, 0, 0);
  });

  canvas.addEventListener("contextmenu", (e) => {
    const node = view.nodeAtPoint(e.clientX, e.clientY);
    if (node < 0 || !view.options.menu) return;
    e.preventDefault();
    drag = null;
    fingers.clear();
    view.cursor = node;
    view.options.menu(node, e.clientX, e.clientY);
  });

  canvas.addEventListener("wheel", (e) => {
    const s = view.scene;
    if (e.ctrlKey || e.metaKey) {
      e.preventDefault();
      const part = (e.clientX - canvas.getBoundingClientRect().left) / s.width;
      const span = (s.x1 - s.x0) * Math.exp(Math.max(-60, Math.min(60, e.deltaY)) * 0.008);
      const anchor = s.x0 + part * (s.x1 - s.x0);
      view.setRange(anchor - part * span, anchor + (1 - part) * span);
    } else if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
      e.preventDefault();
      const shift = ((e.deltaX || e.deltaY) / s.width) * (s.x1 - s.x0);
      view.setRange(s.x0 + shift, s.x1 + shift);
    }
  }, { passive: false });
}
