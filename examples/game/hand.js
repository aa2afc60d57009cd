/** A hand on a plain canvas, of twenty joints, that follows gestures as far as they are strong. */

/** Where the parts of a hand are: curl of each finger from the thumb on 0..1, spread 0..1, and turns in radians. */
const RELAXED = { curl: [0.25, 0.25, 0.28, 0.3, 0.32], spread: 0.3, bend: 0, turn: 0 };
const POSES = {
  rest: {},
  fist: { curl: [0.8, 1, 1, 1, 1], spread: 0 },
  open_hand: { curl: [0, 0, 0, 0, 0], spread: 1 },
  pinch: { curl: [0.55, 0.62, 0.3, 0.3, 0.3], spread: 0.1 },
  point: { curl: [0.7, 0, 1, 1, 1], spread: 0 },
  thumb_up: { curl: [0, 1, 1, 1, 1], spread: 0 },
  flexion: { bend: 1 },
  extension: { bend: -1 },
  pronation: { turn: -1.1 },
  supination: { turn: 1.1 },
  radial_deviation: { side: 0.4 },
  ulnar_deviation: { side: -0.4 },
};
const OTHER_NAMES = { close: "fist", open: "open_hand", wrist_flexion: "flexion", wrist_extension: "extension" };
const FOLLOWS_S = 0.09; // time constant
const FINGERS = [
  { at: [-0.36, 0.32], lengths: [0.3, 0.24, 0.2], fan: -0.75, thick: 0.16 },
  { at: [-0.29, 0.9], lengths: [0.38, 0.25, 0.19], fan: -0.14, thick: 0.14 },
  { at: [-0.09, 0.96], lengths: [0.42, 0.28, 0.2], fan: -0.03, thick: 0.145 },
  { at: [0.11, 0.92], lengths: [0.39, 0.26, 0.19], fan: 0.08, thick: 0.14 },
  { at: [0.29, 0.82], lengths: [0.3, 0.2, 0.16], fan: 0.2, thick: 0.12 },
];
const KNUCKLE = 1.5; // radians of a joint in a fist

/** The pose of a gesture at a strength of 0..1; one of an unknown name is a hand half closed. Pure. */
export function poseOf(gesture, strength) {
  const name = OTHER_NAMES[gesture] ?? gesture;
  const made = { ...RELAXED, side: 0, ...(POSES[name] ?? { curl: [0.5, 0.5, 0.5, 0.5, 0.5] }) };
  const share = gesture === null || name === "rest" ? 0 : 0.45 + 0.55 * Math.min(Math.max(strength, 0), 1);
  const between = (from, to) => from + share * (to - from);
  return {
    curl: RELAXED.curl.map((curl, k) => between(curl, made.curl[k])),
    spread: between(RELAXED.spread, made.spread),
    bend: between(0, made.bend),
    turn: between(0, made.turn),
    side: between(0, made.side),
  };
}

export class Hand {
  pose = poseOf(null, 0);

  /** Moves on for `seconds` to where a gesture has the hand. */
  follow(gesture, strength, seconds) {
    const aim = poseOf(gesture, strength);
    const share = 1 - Math.exp(-seconds / FOLLOWS_S);
    const nearer = (from, to) => from + share * (to - from);
    this.pose.curl = this.pose.curl.map((curl, k) => nearer(curl, aim.curl[k]));
    for (const part of ["spread", "bend", "turn", "side"]) this.pose[part] = nearer(this.pose[part], aim[part]);
  }

  draw(context, width, height, { skin, edge, sleeve }) {
    const place = projection(this.pose, width, height);
    context.clearRect(0, 0, width, height);
    context.lineJoin = context.lineCap = "round";
    const parts = [
      ...FINGERS.map((finger, k) => ({ points: joints(finger, k, this.pose).map(place.hand), thick: finger.thick })),
      { points: [[-0.2, 0.02], [-0.36, 0.36], [-0.32, 0.88], [0.3, 0.8], [0.22, 0.02]].map(([x, y]) => place.hand([x, y, 0])), palm: true },
    ];
    limb(context, [place.arm([0, -1.2, 0]), place.arm([0, 0, 0])], place.scale * 0.42, sleeve, edge);
    parts.sort((one, other) => depth(one.points) - depth(other.points));
    for (const { points, thick, palm } of parts) {
      if (palm) shape(context, points, place.scale * 0.14, skin, edge);
      else limb(context, points, place.scale * thick, skin, edge);
    }
  }
}

/** The points of a finger, from the palm to the tip; towards the palm is z. */
function joints({ at, lengths, fan }, k, { curl, spread }) {
  const thumb = k === 0;
  const out = fan * (thumb ? 0.6 + 0.5 * spread : 0.4 + 1.3 * spread);
  let [x, y, z, angle] = [...at, 0, 0];
  const points = [[x, y, z]];
  for (const length of lengths) {
    angle += curl[k] * (thumb ? 0.75 : KNUCKLE);
    const ahead = length * Math.cos(angle);
    // a thumb closes across the palm, not onto it
    x += thumb ? length * Math.sin(out + angle) : ahead * Math.sin(out);
    y += thumb ? length * Math.cos(out + angle) : ahead * Math.cos(out);
    z += length * Math.sin(angle) * (thumb ? 0.35 : 1);
    points.push([x, y, z]);
  }
  return points;
}

/** From the hand's own axes to the canvas: bent at the wrist, turned about the arm, and seen from the side a little. */
function projection({ bend, turn, side }, width, height) {
  const scale = Math.min(width, height) / 3.1;
  const view = 0.5;
  const about = (a, b, angle) => [a * Math.cos(angle) - b * Math.sin(angle), a * Math.sin(angle) + b * Math.cos(angle)];
  const seen = ([x, y, z]) => {
    [x, z] = about(x, z, turn + view);
    const near = 1 + 0.12 * z;
    return { x: width / 2 + scale * x * near, y: height * 0.66 - scale * y * near, z };
  };
  const hand = ([x, y, z]) => {
    [x, y] = about(x, y, side);
    [y, z] = about(y, z, bend);
    return seen([x, y, z]);
  };
  return { scale, hand, arm: seen };
}

function depth(points) {
  return points.reduce((sum, { z }) => sum + z, 0) / points.length;
}

function limb(context, points, thick, fill, edge) {
  for (const [colour, more] of [[edge, 3], [fill, 0]]) {
    context.beginPath();
    points.forEach(({ x, y }) => context.lineTo(x, y));
    [context.strokeStyle, context.fillStyle, context.lineWidth] = [colour, fill, thick + more];
    context.stroke();
    context.fill(); // a finger that is curled up has no hole
  }
}

function shape(context, points, soft, fill, edge) {
  context.beginPath();
  points.forEach(({ x, y }) => context.lineTo(x, y));
  context.closePath();
  for (const [colour, more] of [[edge, 3], [fill, 0]]) {
    [context.strokeStyle, context.fillStyle, context.lineWidth] = [colour, fill, soft + more];
    context.stroke();
  }
  context.fill();
}
