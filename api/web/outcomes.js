// Outcomes that are heard. Contract: `together(one, many)` gives a function that takes a sentence for each thing that
// ended: the first goes to `one` at once, those of the next seconds are told together: one of them as it is, of more
// their number goes to `many`. So a folder of hundreds of files does not drown what else is said.

const TOGETHER_MS = 5000;

export function together(one, many) {
  let waiting = [];
  let timer = 0;

  function tell() {
    const told = waiting;
    waiting = [];
    timer = told.length ? setTimeout(tell, TOGETHER_MS) : 0;
    if (told.length === 1) one(told[0]);
    else if (told.length) many(told.length);
  }

  return (sentence) => {
    waiting.push(sentence);
    if (!timer) tell();
  };
}
