export {
  type Answer,
  type AnswerDependencies,
  type AnswerEvent,
  answerQuestion,
  type PassageCitation,
  type QuestionRequest,
  streamAnswer,
} from './answer-question.ts';
