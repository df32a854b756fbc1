/** Heights in px; the drawing never changes its size while events stream in. */
export const LANE_PX = {
  axis: 24,
  you: 46,
  model: 46,
  tools: 28,
  marks: 30,
  sound: 52,
  server: 22,
};
