// The colours of litepose_edge/drawing/palette.py, in red, green, blue: what is shown here and
// pictures that the board saves look the same.

export const LEFT = [255, 140, 60];
export const RIGHT = [60, 170, 255];
export const MIDDLE = [90, 220, 90];
export const DOT = [255, 255, 255];
export const EDGE = [40, 40, 40];
export const GROUND = [48, 48, 48];
export const PEOPLE = [
  [245, 159, 0], [70, 190, 240], [30, 200, 95], [235, 105, 190], [245, 225, 60],
  [40, 120, 235], [240, 80, 70], [110, 235, 185], [150, 80, 225], [235, 190, 165],
];

export const css = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;

/** A person's number: the id, or without tracking the place in the list. */
export const numberOf = (person, place) => person.track_id ?? place;

export const colourOf = (number) => PEOPLE[number % PEOPLE.length];

/** Black or white, whichever reads better on a colour. */
export function textOn([red, green, blue]) {
  return 0.114 * blue + 0.587 * green + 0.299 * red > 120 ? [0, 0, 0] : [255, 255, 255];
}

/** Colours of all bones: left sides are warm, right sides cold, the middle green. */
export function boneColours(skeleton) {
  const left = new Set(skeleton.left);
  const right = new Set(skeleton.right);
  return skeleton.bones.map(([first, second]) => {
    if (left.has(first) && left.has(second)) return LEFT;
    if (right.has(first) && right.has(second)) return RIGHT;
    return MIDDLE;
  });
}
