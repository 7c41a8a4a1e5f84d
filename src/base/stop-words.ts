const list = (words: string): ReadonlySet<string> => new Set(words.split(' '));

/** Words so common in English that they say nothing about what a text is about. Lower case. */
export const ENGLISH_STOP_WORDS = list(
  'a about above after again against all also am an and any are as at be because been before being below between both but ' +
    "by can can't cannot could did do does doing don't down during each either every few for from further get gets give given " +
    'had has have having he her here hers herself him himself his how i if in into is it its itself just many may me might ' +
    'more most much must my myself no nor not of off on once only or other ought our ours out over own please same shall she ' +
    'should so some such tell than that the their theirs them themselves then there these they this those through to too under ' +
    "until up upon us very was we were what what's when where whether which while who who's whom whose why will with would you " +
    'yes your yours yourself',
);

/** The same for other languages with labelled or common use, in the words that `segmentWords` makes. */
const OTHER_STOP_WORDS = [
  // German
  'aber alle als am an auch auf aus bei bin bis bist da dann das dass dem den der des die dies diese dieser dieses doch du durch ' +
    'ein eine einem einen einer eines er es für gab gibt hat hatte hatten haben ich ihr ihre im in ist ja kann können man mehr mit ' +
    'muss müssen nach nicht noch nur oder ob sein seine sich sie sind so soll über um und uns unter vom von vor wann war waren warum ' +
    'was welche welchem welchen welcher welches wem wen wenn wer werden wie wieviel wird wir wo wurde wurden zu zum zur zwischen',
  // French
  'à au aux avec ce ces cette comment dans de des du elle elles en est et été être il ils je la le les leur leurs lui mais ne nous on ' +
    'ont ou où par pas pour pourquoi qu que quel quelle quelles quels qui quoi sa se ses son sont sur un une vous était',
  // Spanish, Portuguese, Italian
  'al como cómo con cual cuál cuándo de del donde dónde el ella en era es esta este esto fue ha hay la las lo los más no o para pero por ' +
    'que qué quién se ser si sin sobre su sus un una y ao as com da das do dos e ela ele em é foi na nas não nos o os ou qual quando que ' +
    'quem são sua um uma ai che chi ci come cosa da dal dei del della delle di dove e era gli i il io le nel nella per perché più quale ' +
    'quando si sono tra un uno è',
  // Dutch
  'de dat die een en het hoe hij ik in is met naar niet of om op te van voor waar wanneer waarom was wat welke wie wordt zijn',
  // Thai
  'กับ การ ก็ ของ ขึ้น คือ ความ จะ จาก ใช่ ซึ่ง ด้วย ได้ ใด ตาม ต่อ แต่ ถึง ถูก ที่ ที่สุด ทำ ทำไม นั้น นี้ ใน บ้าง เป็น ไป ผู้ เพื่อ มา มี เมื่อ เมื่อไร เมื่อไหร่ แล้ว และ ว่า ไว้ ' +
    'ไหน ให้ หรือ อยู่ อย่าง อย่างไร อะไร อัน เท่าไร เท่าไหร่ ใคร กี่ โดย แห่ง ไม่',
  // Chinese
  '的 了 在 是 和 与 或 也 都 就 而 及 着 被 把 对 于 为 以 从 到 之 其 这 那 这个 那个 哪 哪个 哪些 哪里 什么 怎么 怎样 如何 为什么 多少 几 谁 何 何时 吗 呢 吧 有 没有 不 我 你 他 她 它 我们 他们 請 请 這 個 个',
  // Japanese
  'の は が を に で と も へ や か から まで より です ます でした ました だ である な ない いる ある する した して され れ て た この その あの どの これ それ 何 なに なん 誰 だれ どこ いつ なぜ どう どの いくつ こと もの',
].map(list);

/** Stop words of all languages that anyrag knows them for. */
export const STOP_WORDS: ReadonlySet<string> = new Set(
  [ENGLISH_STOP_WORDS, ...OTHER_STOP_WORDS].flatMap((words) => [...words]),
);
