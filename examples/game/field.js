/** Draws the gates that come nearer, and the line at which the hand waits. */

import { REACH } from "./gates.js";

const HORIZON = 0.14; // of the height
const LINE = 0.86;

/** What a person reads of a class's name. */
export function spaced(name) {
  return name.replaceAll("_", " ");
}

export function drawField(context, width, height, gates, held, colours) {
  context.clearRect(0, 0, width, height);
  road(context, width, height, colours);
  for (const gate of [...gates].reverse()) {
    const near = gate.way ** 2; // as things come nearer
    const y = height * (HORIZON + (LINE - HORIZON) * near);
    const half = width * (0.06 + 0.34 * near);
    const tall = height * (0.03 + 0.2 * near);
    const within = gate.state === "coming" && gate.way >= REACH;
    const colour = gate.state === "opened" ? colours.good : gate.state === "missed" ? colours.bad : within ? colours.accent : colours.soft;
    bars(context, { x: width / 2, y, half, tall }, gate.state === "opened", colour, within ? 5 : 2 + 2 * near);
    context.fillStyle = gate.state === "coming" ? colours.ink : colour;
    context.font = `600 ${Math.round(12 + 26 * near)}px system-ui, sans-serif`;
    context.textAlign = "center";
    const mark = { opened: "✓ ", missed: "✗ ", coming: "" }[gate.state]; // colour never stands alone
    context.fillText(mark + spaced(gate.gesture), width / 2, y - tall - 6);
  }
  context.fillStyle = held ? colours.accent : colours.soft;
  context.font = "600 18px system-ui, sans-serif";
  context.textAlign = "center";
  context.fillText(held ? `your hand: ${spaced(held)}` : "your hand: rest", width / 2, height * LINE + 40);
}

function road(context, width, height, { line, accent }) {
  context.lineWidth = 1;
  context.strokeStyle = line;
  for (let lane = -4; lane <= 4; lane += 1) {
    context.beginPath();
    context.moveTo(width / 2 + lane * width * 0.02, height * HORIZON);
    context.lineTo(width / 2 + lane * width * 0.13, height);
    context.stroke();
  }
  context.lineWidth = 3;
  context.strokeStyle = accent;
  context.beginPath();
  context.moveTo(width * 0.06, height * LINE);
  context.lineTo(width * 0.94, height * LINE);
  context.stroke();
}

function bars(context, { x, y, half, tall }, open, colour, thick) {
  [context.strokeStyle, context.lineWidth] = [colour, thick];
  context.strokeRect(x - half, y - tall, 2 * half, tall);
  for (let k = 1; k < 6; k += 1) {
    const at = x - half + (k * half) / 3;
    context.beginPath();
    context.moveTo(at, y - tall);
    context.lineTo(at, open ? y - tall * 0.85 : y);
    context.stroke();
  }
}
