/** English: several joints at once, by a cursor that is followed. */

export default {
  "follow.open": "Several joints at once",
  "follow.lead": "In place of gestures: your hand follows a cursor, and the model says how far each joint is moved, all at the same time.",
  "follow.names": "What moves, with commas between",
  "follow.note": "One to six. Right is one way, left the other: bend and stretch, turn out and in, open and close.",
  "follow.seconds": "Seconds in all",
  "follow.start": "Follow the cursor",
  "follow.few": "One to six names that differ, and 20 to 1800 seconds.",
  "follow.title_follow": "Follow the dots",
  "follow.title_learn": "Learning",
  "follow.title_done": "That was all",
  "follow.how": "Move each joint as far as its dot, as strongly as is comfortable. The ring is where the dot will be in a second; the middle is rest.",
  "follow.waiting": "Waiting for the signal.",
  "follow.left": (left) => `${left} left`,
  "follow.figures": (model, r2, mae, linear) => `${model} explains ${r2} of the movements that it was not taught, and is ${mae} of the range beside them on average (a linear model ${linear}).`,
  "follow.use": "Use it now",
  "follow.used": (model, source) => `${model} reads ${source} now. The dashboard shows how far each joint is moved.`,
  "follow.stop": "Stop",
  "follow.close": "Close",
  "follow.canvas": "Where each joint should be, and where in a second",
  "follow.progress": "How much is done",
};
